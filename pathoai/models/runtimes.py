"""Names of the programs that can compute what a bundle says; light, for the command line."""

from __future__ import annotations

AUTO, TORCH, ONNX, ONNX_INT8 = "auto", "torch", "onnx", "onnx-int8"
RUNTIMES = (AUTO, TORCH, ONNX, ONNX_INT8)
"""``auto`` is ``onnx`` on a CPU, where its packages are installed, and else ``torch``."""
EXPORT = "onnx"
"""Folder in a bundle's: the export of that bundle."""
