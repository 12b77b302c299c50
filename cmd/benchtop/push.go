package main

import (
	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance/push/client"
	"github.com/benchtop-lab/benchtop/cmd/internal/pushcmd"
)

func pushCommand() *cobra.Command {
	return pushcmd.Command(func(cmd *cobra.Command) (client.Lab, error) {
		control, err := controlOf(cmd)
		if err != nil {
			return client.Lab{}, err
		}
		return control.PushTo(), nil
	})
}
