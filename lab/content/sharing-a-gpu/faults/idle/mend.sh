kubectl scale deployment notebook --replicas 0
