kubectl patch deployment server -p '{"spec":{"template":{"spec":{"nodeSelector":{"kubernetes.io/hostname":"gpu-2"}}}}}'
