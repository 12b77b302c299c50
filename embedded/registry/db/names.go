package db

import (
	"crypto/rand"
	"fmt"
	"strconv"
)

var (
	nameFirst  = []string{"amber", "brisk", "calm", "clever", "copper", "dapper", "eager", "early", "fleet", "gentle", "golden", "hardy", "keen", "lively", "lucid", "mellow", "nimble", "patient", "plucky", "polite", "quiet", "rapid", "sage", "silver", "sincere", "spry", "steady", "sunny", "thrifty", "upbeat", "vivid", "witty"}
	nameSecond = []string{"anvil", "auk", "badger", "beaver", "bench", "bison", "crane", "dolphin", "falcon", "finch", "gecko", "heron", "ibis", "jay", "kestrel", "lathe", "lynx", "marten", "newt", "osprey", "otter", "owl", "panda", "plover", "raven", "robin", "seal", "shrike", "stoat", "tern", "vise", "wren"}
)

// RandomName names a run or a model that came without a name.
func RandomName() string {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err)
	}
	return fmt.Sprintf("%s-%s-%s", nameFirst[int(b[0])%len(nameFirst)], nameSecond[int(b[1])%len(nameSecond)], strconv.Itoa(int(b[2])<<8|int(b[3])))
}
