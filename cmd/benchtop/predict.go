package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func predictCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "predict [DEPLOYMENT] FEATURES",
		Short:   "Ask a deployment for a prediction",
		Example: "  benchtop predict 5.1,3.5,1.4,0.2\n  benchtop predict iris 6.2,3.4,5.4,2.3",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			deployment := appliance.DefaultProject
			if len(args) == 2 {
				deployment = args[0]
			}
			body, err := instance(args[len(args)-1])
			if err != nil {
				return err
			}
			status, answer, err := control.Predict(cmd.Context(), deployment, body)
			if err != nil {
				return err
			}
			if status != http.StatusOK {
				return mlops.Errorf(mlops.Invalid, "the deployment answered %d: %s", status, answerMessage(answer))
			}
			fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSpace(string(answer)))
			return nil
		},
	}
}

// instance turns "1,2,3" into the body of POST /predict.
func instance(s string) ([]byte, error) {
	var values []float64
	for f := range strings.SplitSeq(s, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(f), 64)
		if err != nil {
			return nil, mlops.Errorf(mlops.Invalid, "%q is not a number: expected features separated by commas, such as 5.1,3.5,1.4,0.2", f)
		}
		values = append(values, v)
	}
	body, err := json.Marshal(map[string][][]float64{"instances": {values}})
	if err != nil {
		return nil, mlops.Errorf(mlops.Invalid, "%q: features must be finite numbers", s)
	}
	return body, nil
}

// answerMessage returns the message of an error that a server or the
// appliance answered, or the answer itself.
func answerMessage(answer []byte) string {
	var e struct {
		Message string `json:"message"`
		Error   struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(answer, &e) == nil {
		if e.Error.Message != "" {
			return e.Error.Message
		}
		if e.Message != "" {
			return e.Message
		}
	}
	return strings.TrimSpace(string(answer))
}
