#!/usr/bin/python3
"""Federated averaging as a hand-tuned PyTorch loop: the reference that tern-sim is compared with.

It runs the workloads of simulation/configs/{w1,w2,w3}.yaml and prints one JSON object. What makes it
fast: parameters in one flat buffer, gradients without accumulation, batches by index from one copy
of the data, no module and no optimizer object, and single-threaded worker processes that are forked
once and share the global model and their sums. With --by-hand (w1) also the backward pass is written
out, and plain SGD is fused into the products of matrices.

Set OPENBLAS_CORETYPE to the processor's best kernels (SkylakeX with AVX-512, else Haswell) and
OPENBLAS_NUM_THREADS=1; tests/bench/against_torch does.
"""

import argparse
import dataclasses
import gzip
import json
import os
import pathlib
import resource
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F

DEFAULT_DATA = "/usr/share/datasets/fashion-mnist"


@dataclasses.dataclass(frozen=True)
class Workload:
    model: str
    num_clients: int
    cohort_size: int
    batch_size: int = 10
    learning_rate: float = 0.05


WORKLOADS = {
    "w1": Workload("mlp_200_200", num_clients=1000, cohort_size=100),
    "w2": Workload("mcmahan_cnn", num_clients=100, cohort_size=10),
    "w3": Workload("tiny_cnn", num_clients=1000, cohort_size=100),
}

# Shapes of weights, each followed by a bias of as many elements as the first dimension.
WEIGHT_SHAPES = {
    "mlp_200_200": [(200, 784), (200, 200), (10, 200)],
    "mcmahan_cnn": [(32, 1, 5, 5), (64, 32, 5, 5), (512, 3136), (10, 512)],
    "tiny_cnn": [(8, 1, 3, 3), (16, 8, 3, 3), (10, 784)],
}


def forward(model, p, x):
    """Logits of the batch `x` (N x 784) under the parameters `p`."""
    if model == "mlp_200_200":
        x = F.linear(x, p[0], p[1]).relu_()
        x = F.linear(x, p[2], p[3]).relu_()
        return F.linear(x, p[4], p[5])
    x = x.view(-1, 1, 28, 28)
    if model == "mcmahan_cnn":
        x = F.max_pool2d(F.relu_(F.conv2d(x, p[0], p[1], padding=2)), 2)
        x = F.max_pool2d(F.relu_(F.conv2d(x, p[2], p[3], padding=2)), 2)
        x = F.linear(x.flatten(1), p[4], p[5]).relu_()
        return F.linear(x, p[6], p[7])
    x = F.relu_(F.conv2d(x, p[0], p[1], stride=2, padding=1))
    x = F.relu_(F.conv2d(x, p[2], p[3], stride=2, padding=1))
    return F.linear(x.flatten(1), p[4], p[5])


class Parameters:
    """One flat buffer and a view of it per parameter, initialised as torch.nn does."""

    def __init__(self, model, channels_last):
        shapes = []
        for weight in WEIGHT_SHAPES[model]:
            shapes += [weight, weight[:1]]
        self.flat = torch.empty(sum(int(np.prod(shape)) for shape in shapes))
        self.views = []
        offset = 0
        for i, shape in enumerate(shapes):
            size = int(np.prod(shape))
            piece = self.flat[offset:offset + size]
            if channels_last and len(shape) == 4:
                out, channels, height, width = shape
                view = piece.view(out, height, width, channels).permute(0, 3, 1, 2)
            else:
                view = piece.view(shape)
            weight = shapes[i - i % 2]
            bound = 1 / float(np.prod(weight[1:])) ** 0.5
            self.views.append(view.uniform_(-bound, bound))
            offset += size
        self.leaves = [view.requires_grad_() for view in self.views]


def read_idx(path):
    with gzip.open(path, "rb") as file:
        content = file.read()
    shape = [int.from_bytes(content[4 + 4 * i:8 + 4 * i], "big") for i in range(content[3])]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def load(directory, split, order=None):
    """Images (N x 784, in [0, 1]) and labels of a split, in `order`."""
    directory = pathlib.Path(directory)
    images = read_idx(directory / f"{split}-images-idx3-ubyte.gz")
    labels = read_idx(directory / f"{split}-labels-idx1-ubyte.gz")
    if order is not None:
        images, labels = images[order], labels[order]
    images = images.reshape(len(images), -1).astype(np.float32)
    images /= 255
    return torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))


class Federation:
    """What all processes share: the clients' data, one client's buffers, and how a client trains."""

    def __init__(self, workload, args):
        self.workload = workload
        self.by_hand = args.by_hand
        order = np.random.RandomState(args.seed).permutation(60000)
        # Client k owns the rows [k * n, (k + 1) * n).
        self.images, self.labels = load(args.data, "train", order)
        self.one_hot = F.one_hot(self.labels, 10).float()
        self.num_examples = len(self.images) // workload.num_clients
        torch.manual_seed(args.seed)
        with torch.no_grad():
            self.parameters = Parameters(workload.model, args.channels_last)
        self.global_model = self.parameters.flat.detach().clone().share_memory_()
        self.sums = [torch.zeros_like(self.global_model).share_memory_()
                     for _ in range(args.processes)]
        self.local = self.parameters.flat.detach()  # shares its memory

    def train_cohort(self, clients, total):
        total.zero_()
        for client in clients:
            self.local.copy_(self.global_model)
            self.train_client(client)
            total.add_(self.local, alpha=self.num_examples)

    def train_client(self, client):
        first = client * self.num_examples
        order = torch.randperm(self.num_examples).add_(first)
        images = self.images.index_select(0, order)
        targets = (self.one_hot if self.by_hand else self.labels).index_select(0, order)
        size = self.workload.batch_size
        step = self.step_by_hand if self.by_hand else self.step
        for batch_images, batch_targets in zip(images.split(size), targets.split(size)):
            step(batch_images, batch_targets)

    def step(self, images, labels):
        leaves = self.parameters.leaves
        loss = F.cross_entropy(forward(self.workload.model, leaves, images), labels)
        gradients = torch.autograd.grad(loss, leaves)
        with torch.no_grad():
            torch._foreach_add_(leaves, gradients, alpha=-self.workload.learning_rate)

    @torch.no_grad()
    def step_by_hand(self, images, one_hot):
        w1, b1, w2, b2, w3, b3 = self.parameters.leaves
        lr = -self.workload.learning_rate
        h1 = torch.addmm(b1, images, w1.t()).relu_()
        h2 = torch.addmm(b2, h1, w2.t()).relu_()
        d3 = torch.addmm(b3, h2, w3.t()).softmax(1).sub_(one_hot).div_(len(images))
        d2 = (d3 @ w3).mul_(h2 > 0)
        d1 = (d2 @ w2).mul_(h1 > 0)
        w3.addmm_(d3.t(), h2, alpha=lr)
        b3.add_(d3.sum(0), alpha=lr)
        w2.addmm_(d2.t(), h1, alpha=lr)
        b2.add_(d2.sum(0), alpha=lr)
        w1.addmm_(d1.t(), images, alpha=lr)
        b1.add_(d1.sum(0), alpha=lr)

    @torch.no_grad()
    def accuracy(self, data):
        self.local.copy_(self.global_model)
        images, labels = load(data, "t10k")
        correct = sum(
            int((forward(self.workload.model, self.parameters.leaves, x).argmax(1) == y).sum())
            for x, y in zip(images.split(500), labels.split(500)))
        return correct / len(images)


def private_bytes():
    """Memory that only this process holds."""
    with open("/proc/self/smaps_rollup") as file:
        return 1024 * sum(int(line.split()[1]) for line in file if line.startswith("Private_"))


def serve(federation, index, tasks, done):
    torch.set_num_threads(1)
    torch.manual_seed(index)
    while (clients := tasks.get()) is not None:
        federation.train_cohort(clients, federation.sums[index])
        done.put(0)
    done.put(private_bytes())


def run(args):
    """Trains; returns the seconds of each round, the peak memory and the final accuracy."""
    torch.set_num_threads(1)
    workload = WORKLOADS[args.workload]
    federation = Federation(workload, args)
    context = torch.multiprocessing.get_context("fork")
    tasks = [context.SimpleQueue() for _ in range(args.processes)]
    done = [context.SimpleQueue() for _ in range(args.processes)]
    workers = [
        context.Process(target=serve, args=(federation, i, tasks[i], done[i]), daemon=True)
        for i in range(args.processes)
    ]
    for worker in workers:
        worker.start()

    seconds = []
    weight = workload.cohort_size * federation.num_examples
    for round_index in range(args.rounds):
        start = time.perf_counter()
        cohort = np.random.RandomState([args.seed, round_index]).choice(
            workload.num_clients, workload.cohort_size, replace=False).tolist()
        for i, queue in enumerate(tasks):
            queue.put(cohort[i::args.processes])
        for queue in done:
            queue.get()
        torch.sum(torch.stack(federation.sums), 0, out=federation.global_model)
        federation.global_model.div_(weight)
        seconds.append(time.perf_counter() - start)

    for queue in tasks:
        queue.put(None)
    memory = sum(queue.get() for queue in done)
    for worker in workers:
        worker.join()
    memory += 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, memory, federation.accuracy(args.data)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workload", choices=sorted(WORKLOADS))
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", default=DEFAULT_DATA, help="directory of the Fashion-MNIST files")
    parser.add_argument("--by-hand", action="store_true",
                        help="w1: the backward pass without autograd")
    parser.add_argument("--channels-last", action="store_true",
                        help="convolution weights stored channels last")
    args = parser.parse_args()
    if args.by_hand and args.workload != "w1":
        parser.error("--by-hand is written for w1 only")

    seconds, memory, accuracy = run(args)
    # The first two rounds warm up caches and allocators.
    steady = seconds[2:] if len(seconds) > 4 else seconds
    median = statistics.median(steady)
    print(json.dumps({
        "workload": args.workload,
        "processes": args.processes,
        "rounds": args.rounds,
        "seconds_per_round": median,
        "seconds_per_round_min": min(steady),
        "seconds_per_round_max": max(steady),
        "client_updates_per_second": WORKLOADS[args.workload].cohort_size / median,
        "final_eval_accuracy": accuracy,
        "peak_rss_bytes": memory,
        "blas_kernels": os.environ.get("OPENBLAS_CORETYPE", "as detected"),
    }))


if __name__ == "__main__":
    main()
