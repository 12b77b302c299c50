python3 train.py --depth 1 2 3 4 5 6 8 10
