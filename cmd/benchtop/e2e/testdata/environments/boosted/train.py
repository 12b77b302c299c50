import lightgbm as lgb
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

data = load_breast_cancer(as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(data.data, data.target, test_size=0.2, random_state=7)
train = lgb.Dataset(X_train, label=y_train)
params = {"objective": "binary", "verbosity": -1, "seed": 7, "num_threads": 1}
booster = lgb.train(params, train, num_boost_round=60)
accuracy = ((booster.predict(X_test) > 0.5) == y_test).mean()
print(f"accuracy: {accuracy:.3f}")
booster.save_model("model.txt")
