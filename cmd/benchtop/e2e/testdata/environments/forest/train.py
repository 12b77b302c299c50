import joblib
from sklearn.datasets import load_diabetes
from xgboost import XGBRegressor

X, y = load_diabetes(return_X_y=True)
model = XGBRegressor(n_estimators=200, max_depth=4, random_state=0, n_jobs=1)
model.fit(X, y)
print(f"r2: {model.score(X, y):.2f}")
joblib.dump(model, "model.joblib")
