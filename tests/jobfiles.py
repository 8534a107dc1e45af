"""Job files for tests of those who read them."""

import json

import ftctl

GOOD = """\
name: ants-bees-frozen
resources: {devices: 1}
priority: 10
after: [pretrain]
labels: {team: vision}

data:
  folder: {path: photos, train: train, val: val}
model:
  name: mobilenet_v2
  weights: file:weights/net.pth
train:
  epochs: 25
  batch_size: 4
  trains: head
  optimizer: {sgd: {lr: 1e-3, momentum: 0.9}}
outputs: [curves]
"""


def recipe(file):
    return json.loads(file.request.recipe_json)


def faults(text, **overrides):
    file = ftctl.JobFile.parse(text, label="job.yaml", overrides=overrides)
    return [str(fault) for fault in file.faults]
