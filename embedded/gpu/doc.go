// Package gpu finds NVIDIA's GPUs on the machine, speaks to the agent that hands
// them to pods, and says what is wrong with them. See DESIGN.md.
package gpu
