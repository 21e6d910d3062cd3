"""From slides to stores: batched work on pixels, on the GPU where there is one."""
