package gpu

// Actions after errors of the driver, from NVIDIA's list of XID errors
// (docs.nvidia.com/deploy/xid-errors). What an error means the agent says.
const (
	lookAtProgram = "look at the program that ran; the GPU itself is well"
	restart       = "restart the machine; update the driver if it comes again"
	reset         = "end the pods on it, and reset the GPU (`nvidia-smi --gpu-reset`) or restart the machine; have it replaced if it comes again"
)

var xidActions = map[int]string{
	13: lookAtProgram, 31: lookAtProgram, 43: lookAtProgram, 45: lookAtProgram, 68: lookAtProgram, 109: lookAtProgram,
	48: reset, 63: "reset the GPU when no pod holds it: the spare row is used from then on", 64: reset, 92: "have an eye on it; have it replaced if errors of two bits follow",
	94: "start the program again; reset the GPU when no pod holds it", 95: reset, 140: reset,
	61: restart, 62: restart, 119: restart, 120: restart, 143: restart,
	74: "check the bridges between the GPUs, and restart the machine",
	79: "check its power cable, seat and temperature, and restart the machine",
}

// XIDAction says what to do after an error of the driver.
func XIDAction(xid int) string {
	if action, ok := xidActions[xid]; ok {
		return action
	}
	return "look the number up in NVIDIA's list of XID errors; `dmesg | grep Xid` has the details"
}
