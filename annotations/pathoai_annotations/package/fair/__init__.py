"""The FAIRsFAIR metrics, each examined on the files of a package."""
