import sys
from differential import Pair
import scenario
p = Pair(sys.argv[1], sys.argv[2])
scenario.play(p)
for label, d in p.differences.items():
    print("##", label, "\n  ", d)
print(p.steps, "requests,", len(p.differences), "differ")
