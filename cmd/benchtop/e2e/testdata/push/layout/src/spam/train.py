from pathlib import Path

import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline

from texts import TEXTS

model = Pipeline([("words", TfidfVectorizer()), ("classifier", MultinomialNB(alpha=0.5))])
model.fit([text for text, _ in TEXTS], [spam for _, spam in TEXTS])
out = Path("artifacts")
out.mkdir(exist_ok=True)
joblib.dump(model, out / "spam.joblib")
