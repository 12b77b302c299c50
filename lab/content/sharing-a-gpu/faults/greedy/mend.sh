kubectl set resources deployment trainer --limits nvidia.com/gpu=1 --requests nvidia.com/gpu=1
