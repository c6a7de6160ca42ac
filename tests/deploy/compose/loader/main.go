// Prints a compose file as Docker Compose reads it: checked against the specification's schema, with `.env` and defaults filled in, as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(files []string) error {
	options, err := cli.NewProjectOptions(files, cli.WithOsEnv, cli.WithEnvFiles(), cli.WithDotEnv, cli.WithDefaultProfiles())
	if err != nil {
		return err
	}
	var project *types.Project
	if project, err = options.LoadProject(context.Background()); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(project)
}
