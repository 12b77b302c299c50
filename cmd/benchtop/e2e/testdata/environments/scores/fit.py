# /// script
# requires-python = ">=3.10"
# dependencies = ["statsmodels", "pandas"]
# ///
import pandas as pd
import statsmodels.formula.api as smf

df = pd.DataFrame({"hours": [1, 2, 3, 4, 5, 6, 7, 8], "score": [52, 56, 60, 64, 68, 72, 76, 80]})
results = smf.ols("score ~ hours", data=df).fit()
print(results.params)
results.save("scores.pickle")
