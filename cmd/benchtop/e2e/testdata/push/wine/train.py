"""Classify wines. Reads nothing, leaves model.joblib."""
import joblib
from sklearn.datasets import load_wine
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

X, y = load_wine(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=7, stratify=y)
model = make_pipeline(StandardScaler(), SVC(C=2.0))
model.fit(X_train, y_train)
print(f"accuracy: {accuracy_score(y_test, model.predict(X_test)):.3f}")
joblib.dump(model, "model.joblib")
