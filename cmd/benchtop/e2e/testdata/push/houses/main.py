import argparse
import os
import pickle

import mlflow
import mlflow.sklearn
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder


def parse():
    parser = argparse.ArgumentParser(description="Train a model of house prices")
    parser.add_argument("--data", default="data/houses.csv")
    parser.add_argument("--models-dir", default="models")
    parser.add_argument("--mlflow-tracking-uri", default="http://localhost:5000")
    parser.add_argument("--trees", type=int, default=80)
    return parser.parse_args()


def main():
    args = parse()
    mlflow.set_tracking_uri(args.mlflow_tracking_uri)
    mlflow.set_experiment("House prices")

    houses = pd.read_csv(args.data)
    X, y = houses.drop(columns=["price"]), houses["price"]
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=42)
    model = Pipeline([
        ("columns", ColumnTransformer([("district", OneHotEncoder(handle_unknown="ignore"), ["district"])], remainder="passthrough")),
        ("model", GradientBoostingRegressor(n_estimators=args.trees, random_state=42)),
    ])
    with mlflow.start_run(run_name="gradient boosting"):
        mlflow.log_param("trees", args.trees)
        model.fit(X_train, y_train)
        predicted = model.predict(X_test)
        mlflow.log_metrics({"mae": mean_absolute_error(y_test, predicted), "r2": r2_score(y_test, predicted)})

    os.makedirs(args.models_dir, exist_ok=True)
    with open(os.path.join(args.models_dir, "house_model.pkl"), "wb") as f:
        pickle.dump(model, f)
    print("saved to", args.models_dir)


if __name__ == "__main__":
    main()
