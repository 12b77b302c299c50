TEXTS = [
    ("win a free prize now", 1), ("cheap loans, act now", 1), ("free money, click here", 1), ("you won the lottery", 1), ("act now for a free phone", 1),
    ("lunch at noon?", 0), ("the meeting moved to Tuesday", 0), ("see you at the station", 0), ("the report is attached", 0), ("thanks for the help yesterday", 0),
]
