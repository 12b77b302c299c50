import mlflow
import mlflow.sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

mlflow.set_tracking_uri("http://127.0.0.1:5000")
mlflow.set_experiment("MLflow Quickstart")

X, y = load_iris(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=42)

for c in (0.01, 1.0):
    params = {"solver": "lbfgs", "max_iter": 1000, "C": c, "random_state": 8888}
    with mlflow.start_run():
        mlflow.log_params(params)
        lr = LogisticRegression(**params)
        lr.fit(X_train, y_train)
        mlflow.log_metric("accuracy", accuracy_score(y_test, lr.predict(X_test)))
        mlflow.set_tag("Training Info", "Basic LR model for iris data")
        model_info = mlflow.sklearn.log_model(
            sk_model=lr,
            name="iris_model",
            signature=infer_signature(X_train, lr.predict(X_train)),
            input_example=X_train[:3],
            registered_model_name="tracking-quickstart",
        )
