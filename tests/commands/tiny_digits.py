"""Overrides that make a command quick: 200 real digits, some steps."""

DIGITS = [
    "data=mnist_5k",
    "data.samples.train=200",
    "data.samples.valid=50",
    "data.samples.test=50",
    "training=images",
    "training.epochs=null",
    "training.steps=20",
    "training.validate_every=10",
    "training.log_every=5",
    "evaluation.methods=null",
    "model=resnet",
    "model.width=8",
    "model.layers=4",
    "device=cpu",
]
