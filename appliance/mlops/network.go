package mlops

// Where a lab's cluster is on the machine. All who speak of it say the same.
const (
	PodNetwork     = "10.42.0.0/16"
	ServiceNetwork = "10.43.0.0/16"
	ClusterDNS     = "10.43.0.10" // the cluster's DNS as pods see it
	GPUMetrics     = "10.43.0.94" // the metrics of GPUs, port 9400

	S3Door = "http://s3.benchtop.svc:9000" // the object store as pods reach it

	NodeInterface = "benchtop0" // carries the node's address
	PodBridge     = "cni0"      // what pods are connected to

	KubernetesPort = 6443
	KubeletPort    = 10250
	PackagesPort   = 3141 // the index of Python packages, on the node's address
)
