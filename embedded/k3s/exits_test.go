package k3s

import (
	"io"
	"os"

	"github.com/sirupsen/logrus"
	"k8s.io/klog/v2"
)

// exitAsComponent does what K3s' components do when they give up.
func exitAsComponent() {
	logrus.SetOutput(io.Discard)
	logrus.Fatal("give up")
}

func restoreExits() {
	logrus.StandardLogger().ExitFunc = nil
	logrus.SetOutput(os.Stderr)
	klog.OsExit = os.Exit
}
