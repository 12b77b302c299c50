kubectl patch deployment server -p '{"spec":{"template":{"spec":{"volumes":[{"name":"models","persistentVolumeClaim":{"claimName":"model"}}]}}}}'
