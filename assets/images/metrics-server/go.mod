module benchtop-image-metrics-server

go 1.26

tool sigs.k8s.io/metrics-server/cmd/metrics-server
