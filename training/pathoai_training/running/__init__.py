"""How training runs: Lightning, checkpoints, preemption, averaged weights, SLURM."""
