package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"dwell/internal/atomicfile"
	"dwell/internal/config"
	"dwell/internal/output"
	"dwell/internal/store"
	"dwell/so-config"
)

func newInstall(a *app) *cobra.Command {
	var f installFlags
	c := &cobra.Command{
		Use:   "install",
		Short: "Install templates, roles and dashboards, once, as an administrator",
		Long: `Install the component and index templates of dwell's data streams, the streams themselves, the lifecycle policy and the roles
in the cluster, and the dashboards in Kibana where kibana.url is set. Run it again at any time: current objects stay, older
ones are upgraded, newer ones are kept. Permissions, the key's path and Kibana are checked before anything is changed.

It needs an administrator's credentials; hunting does not: --create-key makes an API key that may read Zeek's
connections, write findings, and nothing else. With --for analyst the key reads and records dispositions instead.`,
		Example: `  DWELL_ELASTICSEARCH_USERNAME=so_elastic DWELL_ELASTICSEARCH_PASSWORD_FILE=secret dwell install --create-key /etc/dwell/api_key
  dwell install --create-key ana.key --for analyst
  dwell install --dry-run          print each request that would be sent
  dwell install --print files      write the templates, Kibana objects, queries and units as files
  dwell install --remove --yes     undo`,
		RunE: func(c *cobra.Command, _ []string) error { return a.install(c.Context(), &f) },
	}
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "send nothing that changes anything; print each request")
	c.Flags().StringVar(&f.print, "print", "", "write all files (templates, roles, Kibana objects, queries, units, Salt state, sample configuration) into this new `directory` instead")
	c.Flags().BoolVar(&f.remove, "remove", false, "remove dwell's roles, keys, policies and dashboards; findings stay, with the templates they need")
	c.Flags().BoolVar(&f.data, "data", false, "with --remove: delete findings and dispositions, too")
	c.Flags().BoolVar(&f.yes, "yes", false, "do not ask before --remove")
	c.Flags().StringVar(&f.keyFile, "create-key", "", "make a least-privilege API key and write it to this new `file`: mode 0600, or 0640 in a directory that only a group can enter (/etc/dwell)")
	c.Flags().StringVar(&f.keyFor, "for", "hunt", "`role` of the key of --create-key: hunt (the service) or analyst (reads, and records dispositions)")
	c.Flags().BoolVar(&f.alerts, "with-alerts", false, "with --create-key: also read alerts of other programs, to count them for each host")
	return c
}

// installFlags choose what install does.
type installFlags struct {
	dryRun, remove, data, yes, alerts bool
	print, keyFile, keyFor            string
}

// validate rejects flags that exclude each other.
func (f *installFlags) validate() error {
	switch {
	case f.keyFor != "hunt" && f.keyFor != "analyst":
		return usage("--for %q: hunt or analyst", f.keyFor)
	case f.keyFile == "" && (f.alerts || f.keyFor != "hunt"):
		return usage("--for and --with-alerts need --create-key FILE")
	case f.data && !f.remove:
		return usage("--data deletes what was found: only with --remove")
	case f.remove && f.keyFile != "":
		return usage("--remove invalidates every key of dwell's: not with --create-key")
	}
	return nil
}

func (a *app) install(ctx context.Context, f *installFlags) error {
	if err := f.validate(); err != nil {
		return err
	}
	if f.print != "" {
		return a.printFiles(f.print)
	}
	settings, err := a.load(nil)
	if err != nil {
		return err
	}
	client, err := a.client(settings)
	if err != nil {
		return err
	}
	installer := store.NewInstaller(client)
	switch {
	case f.remove:
		return a.uninstall(ctx, installer, settings, f)
	case f.dryRun:
		if err := a.dryRun(ctx, installer.Plan); err != nil {
			return err
		}
		if settings.Kibana.URL != "" {
			fmt.Fprintf(a.Out, "import Kibana objects\nPOST %s\n", output.Clean(settings.Kibana.URL+store.KibanaImportPath))
			return nil
		}
		a.noKibana()
		return nil
	}
	if err := a.beforeInstall(ctx, installer, settings, f.keyFile); err != nil {
		return err
	}
	if err := a.carryOut(installer.Apply(ctx)); err != nil {
		return err
	}
	if err := a.dashboards(ctx, settings); err != nil || f.keyFile == "" {
		return err
	}
	return a.createKey(ctx, installer, f)
}

// beforeInstall checks everything that could fail, so that a failure leaves nothing half done.
func (a *app) beforeInstall(ctx context.Context, installer *store.Installer, settings *config.Loaded, keyFile string) error {
	if keyFile != "" {
		if err := keyPlace(keyFile); err != nil {
			return err
		}
	}
	if err := installer.Check(ctx); err != nil {
		return err
	}
	if keyFile != "" && settings.Elasticsearch.APIKey != "" {
		return usage("an API key cannot make another with rights of its own: use an administrator's credentials: set DWELL_ELASTICSEARCH_USERNAME and DWELL_ELASTICSEARCH_PASSWORD_FILE; nothing was changed")
	}
	if settings.Kibana.URL == "" {
		return nil
	}
	if err := store.CheckKibana(ctx, kibanaOptions(settings)); err != nil {
		return hint(err, "nothing was changed; set kibana.url to what answers, or to nothing to leave the dashboards out")
	}
	return nil
}

// carryOut prints the steps that were done.
func (a *app) carryOut(steps []store.Step, err error) error {
	for _, s := range steps {
		fmt.Fprintln(a.Out, output.Clean(s.String()))
	}
	return err
}

// createKey creates a key and saves it. If saving fails it invalidates the key.
func (a *app) createKey(ctx context.Context, installer *store.Installer, f *installFlags) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	name := "dwell on " + host
	if f.keyFor == "analyst" {
		name = "dwell analyst, made on " + host
	}
	key, err := installer.CreateAPIKey(ctx, store.KeyOptions{Name: name, Analyst: f.keyFor == "analyst", Alerts: f.alerts})
	if err != nil {
		return err
	}
	if err := keepKey(f.keyFile, key.Encoded); err != nil {
		if undone := installer.InvalidateAPIKey(ctx, key); undone != nil {
			return fmt.Errorf("the API key %s could not be saved and is still valid; delete it: %w", key.ID, errors.Join(err, undone))
		}
		return fmt.Errorf("the API key %s could not be saved and was invalidated: %w", key.ID, err)
	}
	fmt.Fprintf(a.Out, "create API key %s, written to %s\n", key.ID, output.Clean(f.keyFile))
	return nil
}

// keyPlace checks that a key file can be written: it does not exist, and its directory is writable.
func keyPlace(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return usage("%s exists already: refusing to overwrite it; nothing was changed", output.Clean(path))
	}
	dir := filepath.Dir(path)
	probe, err := os.CreateTemp(dir, ".dwell-probe-*")
	if errors.Is(err, fs.ErrNotExist) {
		return usage("%s: the directory %s does not exist: make it, or name another file; nothing was changed", output.Clean(path), output.Clean(dir))
	}
	if err != nil {
		return fmt.Errorf("keep an API key in %s: %w; nothing was changed", output.Clean(dir), err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// keepKey writes a key for its owner alone. In a directory that a group may enter and others may not, as /etc/dwell,
// the group reads it, too: the service runs as another user than the administrator.
func keepKey(path, key string) error {
	if err := atomicfile.WriteBytes(path, 0o600, []byte(key+"\n")); err != nil {
		return err
	}
	if err := shareWithGroup(path); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// uninstall removes what install added to the cluster and Kibana.
func (a *app) uninstall(ctx context.Context, installer *store.Installer, settings *config.Loaded, f *installFlags) error {
	plan := func(ctx context.Context) ([]store.Step, error) { return installer.PlanRemove(ctx, f.data) }
	if f.dryRun {
		return a.dryRun(ctx, plan)
	}
	if !f.yes {
		if !a.InTTY || !a.ErrTTY {
			return usage("--remove removes dwell's roles, keys, policies and dashboards from the cluster: pass --yes, or --dry-run to see each request")
		}
		steps, err := plan(ctx)
		if err != nil {
			return err
		}
		for _, s := range steps {
			fmt.Fprintln(a.Err, output.Clean(s.String()))
		}
		fmt.Fprint(a.Err, "Do this? [y/N] ")
		answer, err := bufio.NewReader(a.In).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the answer: %w", err)
		}
		if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
			a.say("dwell: nothing was changed")
			return nil
		}
	}
	if err := a.carryOut(installer.Remove(ctx, f.data)); err != nil {
		return err
	}
	if settings.Kibana.URL == "" {
		fmt.Fprintln(a.Out, "skip Kibana objects (kibana.url is not set; delete those that begin with \"dwell\" in Stack Management, Saved Objects)")
		return nil
	}
	n, err := store.RemoveKibana(ctx, kibanaOptions(settings))
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "remove %d Kibana objects\n", n)
	return nil
}

// printFiles writes every file into a new directory; the program itself is among the Salt state's files.
func (a *app) printFiles(dir string) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program for the Salt state: %w", err)
	}
	err = soconfig.Print(dir, program)
	if errors.Is(err, fs.ErrExist) {
		return usage("%s exists already and is left as it is: name a new directory, or remove this one first", output.Clean(dir))
	}
	if err != nil {
		return err
	}
	a.say("dwell: the files are in %s; README.md there says which goes where", output.Clean(dir))
	return nil
}

func kibanaOptions(settings *config.Loaded) store.KibanaOptions {
	k, e := settings.Kibana, settings.Elasticsearch
	return store.KibanaOptions{URL: k.URL, CAFile: k.CAFile, APIKey: e.APIKey, Username: e.Username, Password: e.Password}
}

func (a *app) noKibana() {
	fmt.Fprintln(a.Out, "skip Kibana objects (kibana.url is not set; `dwell install --print DIR` writes them for an import by hand)")
}

// dashboards imports the Kibana objects, or reports that kibana.url is not set.
func (a *app) dashboards(ctx context.Context, settings *config.Loaded) error {
	if settings.Kibana.URL == "" {
		a.noKibana()
		return nil
	}
	n, err := store.ImportKibana(ctx, kibanaOptions(settings))
	if err != nil {
		return hint(err, "the templates are in place; run `dwell install` again when Kibana answers")
	}
	fmt.Fprintf(a.Out, "import %d Kibana objects, over those of the same ids\n", n)
	return nil
}

func (a *app) dryRun(ctx context.Context, plan func(context.Context) ([]store.Step, error)) error {
	steps, err := plan(ctx)
	if err != nil {
		return err
	}
	for _, s := range steps {
		fmt.Fprintln(a.Out, output.Clean(s.String()))
		if s.Request.Method != "" {
			fmt.Fprintf(a.Out, "%s %s\n%s\n", s.Request.Method, s.Request.Path, s.Request.Body)
		}
	}
	return nil
}
