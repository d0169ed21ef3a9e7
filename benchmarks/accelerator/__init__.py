"""The explainer and a training step on a GPU or another accelerator, without TensorFlow there.

TensorFlow's build for GPUs is large, and not every machine with a card has it. What the explainer
and the training compute are XLA programs, which JAX runs as well. `export` writes them with their
weights and a reference, and `run` tries them on a card:

    python -m benchmarks.accelerator.export FOLDER     (here: minutes, on a CPU)
    python -m pip install "jax[cuda13]" torch captum   (there, where the folder was copied to)
    python FOLDER/run.py FOLDER --json FILE

PyTorch and captum may be absent; their rows are then left out.
"""
