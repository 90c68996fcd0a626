// Command judge says what GitOps tools make of an object's status.
//
// It reads one JSON request a line from stdin and answers one JSON line each:
// kstatus' verdict, and what fails or warns under Flux's condition rules. It is
// the real code of both, so the tests need no reading of the rules of their own.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/runtime/conditions"
	"github.com/fluxcd/pkg/runtime/conditions/check"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
)

// maxLine bounds one request: an object of the API server has at most 3 MiB.
const maxLine = 16 << 20

// request is one object and the moment in which it is looked at.
type request struct {
	Object   json.RawMessage `json:"object"`
	Phase    string          `json:"phase"` // "rest" or "progress"
	Negative []string        `json:"negative"`
	Positive []string        `json:"positive"`
}

// verdict is the answer; Error is set, and nothing else, for a bad request.
type verdict struct {
	Status  string   `json:"status"`
	Message string   `json:"message"`
	Fail    []string `json:"fail"`
	Warn    []string `json:"warn"`
	Error   string   `json:"error,omitempty"`
}

func judge(line []byte) (verdict, error) {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return verdict{}, fmt.Errorf("the request is not JSON: %w", err)
	}
	// Not json.Unmarshal: that makes floats of integers, and the comparison of
	// generations then errs.
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(asked.Object); err != nil {
		return verdict{}, fmt.Errorf("the object cannot be read: %w", err)
	}
	result, err := status.Compute(object)
	if err != nil {
		return verdict{}, fmt.Errorf("kstatus: %w", err)
	}

	var checker *check.Checker
	switch asked.Phase {
	case "rest":
		checker = check.NewChecker(nil, &check.Conditions{
			NegativePolarity: asked.Negative,
			PositivePolarity: asked.Positive,
		})
	case "progress":
		checker = check.NewInProgressChecker(nil)
	default:
		return verdict{}, fmt.Errorf("phase must be rest or progress, not %q", asked.Phase)
	}
	checker.DisableFetch = true // the object is in the request, not in a cluster
	fail, warn := checker.Check(context.Background(), conditions.UnstructuredGetter(object))

	return verdict{
		Status:  result.Status.String(),
		Message: result.Message,
		Fail:    each(fail),
		Warn:    each(warn),
	}, nil
}

// each lists the errors of an aggregate; never nil, so that JSON has a list.
func each(err error) []string {
	found := []string{}
	if err == nil {
		return found
	}
	if many, ok := err.(utilerrors.Aggregate); ok {
		for _, one := range many.Errors() {
			found = append(found, one.Error())
		}
		return found
	}
	return append(found, err.Error())
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		answer, err := judge(lines.Bytes())
		if err != nil {
			answer = verdict{Fail: []string{}, Warn: []string{}, Error: err.Error()}
		}
		if err := answers.Encode(answer); err != nil {
			fmt.Fprintln(os.Stderr, "judge:", err)
			os.Exit(1)
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}
