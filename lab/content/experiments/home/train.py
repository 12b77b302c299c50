"""Trains decision trees on data.csv: python3 train.py --depth 3 [4 5 …] [--leaf 10]

Each row is a sample of tissue: six measurements, and whether it is benign. The first 298
rows are for training, the other 128 for validation. What is done with a tree is in log.py.
"""

import argparse
import csv
import warnings

warnings.filterwarnings("ignore")
from sklearn.tree import DecisionTreeClassifier

from log import log

with open("data.csv") as f:
    rows = [[float(x) for x in row] for row in list(csv.reader(f))[1:]]
X, y = [row[:-1] for row in rows], [int(row[-1]) for row in rows]
X_train, y_train, X_val, y_val = X[:298], y[:298], X[298:], y[298:]

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int, nargs="+", required=True, help="how many questions a tree may ask in a row")
parser.add_argument("--leaf", type=int, default=1, help="how many samples a leaf must have at least")
args = parser.parse_args()

for depth in args.depth:
    model = DecisionTreeClassifier(max_depth=depth, min_samples_leaf=args.leaf, random_state=0).fit(X_train, y_train)
    params = {"max_depth": depth, "min_samples_leaf": args.leaf}
    metrics = {
        "train_accuracy": model.score(X_train, y_train),
        "val_accuracy": model.score(X_val, y_val),
        "train_rows": len(X_train),
        "val_rows": len(X_val),
    }
    log(model, params, metrics)
    print(*(f"{k}={v:.3f}" if isinstance(v, float) else f"{k}={v}" for k, v in (params | metrics).items()))
