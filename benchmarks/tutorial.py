"""Fine-tune MobileNetV2 on a folder of photos, the way the PyTorch tutorial does it.

The plain script that the daemon is measured against: `python benchmarks/tutorial.py FOLDER`.
It finds its weights where torchvision keeps them. With `--first-step` it ends after one step.
Deliberately not written in the house's style: this is what people have.
"""

import argparse
import copy

import torch
from torch import nn, optim
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--frozen", action="store_true")
parser.add_argument("--flip", action="store_true")
parser.add_argument("--epochs", type=int, default=25)
parser.add_argument("--batch-size", type=int, default=8)
parser.add_argument("--lr", type=float, default=1e-3)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--first-step", action="store_true")
options = parser.parse_args()

torch.manual_seed(options.seed)
normalize = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
plain = [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), normalize]
flip = [transforms.RandomHorizontalFlip()] if options.flip else []
sets = {
    "train": datasets.ImageFolder(f"{options.folder}/train", transforms.Compose(flip + plain)),
    "val": datasets.ImageFolder(f"{options.folder}/val", transforms.Compose(plain)),
}
loaders = {
    name: DataLoader(data, batch_size=options.batch_size, shuffle=name == "train")
    for name, data in sets.items()
}
device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")

model = models.mobilenet_v2(weights="IMAGENET1K_V1")
if options.frozen:
    for parameter in model.parameters():
        parameter.requires_grad = False
model.classifier[1] = nn.Linear(model.last_channel, len(sets["train"].classes))
model = model.to(device)
criterion = nn.CrossEntropyLoss()
trained = [p for p in model.parameters() if p.requires_grad]
optimizer = optim.SGD(trained, lr=options.lr, momentum=0.9)
scheduler = lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)

best, best_weights = 0, None
for epoch in range(options.epochs):
    for phase in ("train", "val"):
        model.train(phase == "train")
        right, total_loss = 0, 0.0
        for inputs, labels in loaders[phase]:
            inputs, labels = inputs.to(device), labels.to(device)
            optimizer.zero_grad()
            with torch.set_grad_enabled(phase == "train"):
                outputs = model(inputs)
                loss = criterion(outputs, labels)
                if phase == "train":
                    loss.backward()
                    optimizer.step()
            total_loss += loss.item() * len(labels)
            right += int((outputs.argmax(1) == labels).sum())
            if options.first_step:
                print("step 1", flush=True)
                raise SystemExit
        count = len(sets[phase])
        print(f"{epoch + 1} {phase} loss {total_loss / count:.4f} {right} of {count}", flush=True)
        if phase == "val" and right > best:
            best, best_weights = right, copy.deepcopy(model.state_dict())
    scheduler.step()
print(f"best {best} of {len(sets['val'])}")
