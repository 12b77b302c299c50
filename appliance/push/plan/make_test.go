package plan

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func files(texts map[string]string) fs.FS {
	out := fstest.MapFS{}
	for name, text := range texts {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

const (
	guard  = "if __name__ == \"__main__\":\n    main()\n"
	uvToml = "[project]\nname = \"house-prices\"\ndependencies = [\"scikit-learn\"]\n"
)

// layout is a folder as people have it, and how it is run.
type layout struct {
	files   map[string]string
	asked   Asked
	command string // words with | between them
	entry   string
	kind    string
	why     string
	needs   string
}

// names are files without anything in them.
func names(list ...string) map[string]string {
	out := map[string]string{}
	for _, n := range list {
		out[n] = ""
	}
	return out
}

func with(m map[string]string, more map[string]string) map[string]string {
	for k, v := range more {
		m[k] = v
	}
	return m
}

var layouts = map[string]layout{
	"one script":             {files: names("train.py"), command: "python|train.py", entry: "train.py", kind: "script", why: "train.py is in the folder's root."},
	"train before main":      {files: names("main.py", "train.py", "predict.py", "requirements.txt"), command: "python|train.py", entry: "train.py", kind: "script", why: "train.py is in the folder's root.", needs: "requirements.txt"},
	"main and modules":       {files: names("main.py", "model.py", "data.py"), command: "python|main.py", entry: "main.py", kind: "script", why: "main.py is in the folder's root."},
	"Kaggle's single script": {files: names("house_prices.py", "input/train.csv", "README.md"), command: "python|house_prices.py", entry: "house_prices.py", kind: "script", why: "house_prices.py is the only script in the folder's root."},
	"a script and its module": {files: map[string]string{"titanic.py": "import pandas as pd\nfrom utils import clean\n", "utils.py": "def clean(): pass\n"}, command: "python|titanic.py", entry: "titanic.py", kind: "script",
		why: "titanic.py is the only script in the folder's root, and that no other file imports."},
	"a script, tests and a setup.py": {files: names("fit.py", "setup.py", "test_fit.py", "conftest.py", "tests/train_test.py"), command: "python|fit.py", entry: "fit.py", kind: "script", why: "fit.py is the only script in the folder's root."},
	"two scripts, one is run":        {files: map[string]string{"fit.py": guard, "helpers.py": "def f(): pass\n"}, command: "python|fit.py", entry: "fit.py", kind: "script", why: "fit.py is the only script in the folder's root, and that has a part for when it is run."},
	"cookiecutter-data-science 1": {files: with(names("setup.py", "requirements.txt", "test_environment.py", "src/__init__.py", "src/data/make_dataset.py", "src/features/build_features.py", "src/models/__init__.py", "src/models/predict_model.py", "src/models/train_model.py", "src/visualization/visualize.py", "notebooks/1.0-eda.ipynb", "docs/conf.py"), nil),
		command: "python|src/models/train_model.py", entry: "src/models/train_model.py", kind: "script", why: "src/models/train_model.py is the only script below src whose name begins with train.", needs: "requirements.txt"},
	"cookiecutter-data-science 2": {files: map[string]string{"pyproject.toml": "[project]\nname = \"house\"\n[tool.black]\nline-length = 99\n", "requirements.txt": "", "house/__init__.py": "from house import config", "house/config.py": "", "house/modeling/__init__.py": "", "house/modeling/train.py": guard, "house/modeling/predict.py": guard, "house/dataset.py": guard, "notebooks/a.ipynb": "", "tests/test_data.py": ""},
		command: "python|house/modeling/train.py", entry: "house/modeling/train.py", kind: "script", why: "house/modeling/train.py is the only script whose name begins with train.", needs: "requirements.txt"},
	"several in the root, one below trains": {files: names("app.py", "predict.py", "model/train.py"), command: "python|model/train.py", entry: "model/train.py", kind: "script", why: "model/train.py is the only script whose name begins with train."},
	"src with a pipeline":                   {files: map[string]string{"src/train_pipeline.py": "from src.models.train_model import fit\n" + guard, "src/models/train_model.py": "", "src/models/__init__.py": "", "setup.py": ""}, command: "python|src/train_pipeline.py", entry: "src/train_pipeline.py", kind: "script", why: "src/train_pipeline.py is the only script below src whose name begins with train, and that no other file imports."},
	"src with a helper":                     {files: map[string]string{"src/train.py": "from train_utils import f\n" + guard, "src/train_utils.py": "def f(): pass\n"}, command: "python|src/train.py", entry: "src/train.py", kind: "script", why: "src/train.py is the only script below src whose name begins with train, and that no other file imports."},
	"src with a helper in a package":        {files: map[string]string{"src/house/__init__.py": "", "src/house/train.py": "from house import (train_utils, data)\n", "src/house/train_utils.py": "", "src/house/data.py": ""}, command: "python|src/house/train.py", entry: "src/house/train.py", kind: "script", why: "src/house/train.py is the only script below src whose name begins with train, and that no other file imports."},
	"uv with src layout": {files: map[string]string{"pyproject.toml": uvToml, "uv.lock": "version = 1\n", ".python-version": "3.11", "src/house_prices/__init__.py": "", "src/house_prices/train.py": guard, "src/house_prices/py.typed": ""},
		command: "python|src/house_prices/train.py", entry: "src/house_prices/train.py", kind: "script", why: "src/house_prices/train.py is the only script below src whose name begins with train.", needs: "uv.lock pyproject.toml"},
	"uv with a program": {files: map[string]string{"pyproject.toml": uvToml + "[project.scripts]\nhouse-prices = \"house_prices:main\"\n", "src/house_prices/__init__.py": "def main(): pass\n"},
		command: "python|-c|import sys; from house_prices import main; sys.exit(main())", entry: "src/house_prices/__init__.py", kind: "script", why: "house-prices is the only program of [project.scripts] in pyproject.toml.", needs: "pyproject.toml"},
	"uv with programs, one trains": {files: map[string]string{"pyproject.toml": uvToml + "[project.scripts]\ntrain-it = \"house.cli:app.run\"\nserve = \"house.serve:main\"\n", "house/cli.py": "", "house/serve.py": ""},
		command: "python|-c|import sys; from house.cli import app; sys.exit(app.run())", entry: "house/cli.py", kind: "script", why: "train-it is the only program of [project.scripts] in pyproject.toml whose name begins with train.", needs: "pyproject.toml"},
	"uv without a package":                {files: map[string]string{"pyproject.toml": uvToml, "main.py": guard, "uv.lock": ""}, command: "python|main.py", entry: "main.py", kind: "script", why: "main.py is in the folder's root.", needs: "uv.lock pyproject.toml"},
	"a PEP 723 script":                    {files: map[string]string{"penguins.py": "# /// script\n# requires-python = \">=3.11\"\n# dependencies = [\"pandas\"]\n# ///\n", "pyproject.toml": "[tool.ruff]\n"}, command: "python|penguins.py", entry: "penguins.py", kind: "script", why: "penguins.py is the only script in the folder's root.", needs: "penguins.py"},
	"a PEP 723 script in a project":       {files: map[string]string{"train.py": "# /// script\n# dependencies = []\n# ///\n", "uv.lock": "", "requirements.txt": ""}, command: "python|train.py", entry: "train.py", kind: "script", why: "train.py is in the folder's root.", needs: "train.py uv.lock requirements.txt"},
	"a header that says so":               {files: map[string]string{"a.py": "", "b.py": "# /// script\n# [tool.benchtop]\n# gpu = 1\n# ///\n", "train.py": ""}, command: "python|b.py", entry: "b.py", kind: "script", why: "b.py has [tool.benchtop] in its header."},
	"a header with a command":             {files: map[string]string{"b.py": "# /// script\n# dependencies = [\"x\"]\n# [tool.benchtop]\n# command = \"python b.py --fast\"\n# ///\n"}, command: "python|b.py|--fast", entry: "b.py", kind: "command", why: "[tool.benchtop] in the header of b.py has this command.", needs: "b.py"},
	"an entry whose header has a command": {asked: Asked{Entry: "b.py"}, files: map[string]string{"train.py": "", "b.py": "# /// script\n# [tool.benchtop]\n# command = [\"python\", \"b.py\", \"a b\"]\n# ///\n"}, command: "python|b.py|a b", entry: "b.py", kind: "command", why: "b.py was asked for, and its header has this command."},
	"a command of pyproject.toml":         {files: map[string]string{"pyproject.toml": "[tool.benchtop]\ncommand = \"uv run python -m house.fit --n 3\"\n", "src/house/fit.py": "", "train.py": ""}, command: "python|-m|house.fit|--n|3", entry: "src/house/fit.py", kind: "command", why: "[tool.benchtop] in pyproject.toml has this command."},
	"an entry of pyproject.toml":          {files: map[string]string{"pyproject.toml": "[tool.benchtop]\nentry = \"./a/Explore.ipynb\"\n", "a/Explore.ipynb": "{}", "train.py": ""}, command: "", entry: "a/Explore.ipynb", kind: "notebook", why: "a/Explore.ipynb is the entry of [tool.benchtop] in pyproject.toml."},
	"notebooks next to scripts":           {files: names("analysis.ipynb", "model.py"), command: "python|model.py", entry: "model.py", kind: "script", why: "model.py is the only script in the folder's root."},
	"one notebook":                        {files: names("titanic.ipynb", "train.csv", "requirements.txt"), command: "", entry: "titanic.ipynb", kind: "notebook", why: "titanic.ipynb is the only notebook in the folder's root.", needs: "requirements.txt"},
	"notebooks, one trains":               {files: names("1-eda.ipynb", "2-Training.ipynb"), command: "", entry: "2-Training.ipynb", kind: "notebook", why: "2-Training.ipynb is the only notebook in the folder's root whose name has train in it."},
	"a notebook in its folder":            {files: names("notebooks/eda.ipynb", ".ipynb_checkpoints/eda.ipynb", "data/x.csv"), command: "", entry: "notebooks/eda.ipynb", kind: "notebook", why: "notebooks/eda.ipynb is the only notebook in notebooks."},
	"a notebook somewhere":                {files: names("work/week1/eda.ipynb"), command: "", entry: "work/week1/eda.ipynb", kind: "notebook", why: "work/week1/eda.ipynb is the only notebook."},
	"MLflow's sklearn_elasticnet_wine": {files: map[string]string{"MLproject": "name: tutorial\n\npython_env: python_env.yaml\n\nentry_points:\n  main:\n    parameters:\n      alpha: {type: float, default: 0.5}\n      l1_ratio: {type: float, default: 0.1}\n    command: \"python train.py {alpha} {l1_ratio}\"\n", "python_env.yaml": "python: \"3.10\"\n", "train.py": guard, "train.ipynb": "", "wine-quality.csv": ""},
		command: "python|train.py|0.5|0.1", entry: "train.py", kind: "mlproject", why: "MLproject has the entry point main.", needs: "python_env.yaml"},
	"MLflow's with defaults of all kinds": {files: map[string]string{"mlproject": "conda_env: conda.yaml\nentry_points:\n  main:\n    parameters:\n      data: {type: path, default: \"my data.csv\"}\n      on: {default: true}\n      unused: string\n    command: >\n      python steps/fit.py --data {data}\n      --on {on} --braces '{{}}'\n", "conda.yaml": "", "steps/fit.py": "", "requirements.txt": ""},
		command: "python|steps/fit.py|--data|my data.csv|--on|True|--braces|{}", entry: "steps/fit.py", kind: "mlproject", why: "mlproject has the entry point main.", needs: "conda.yaml requirements.txt"},
	"MLflow's with a single entry point": {files: map[string]string{"MLproject": "entry_points:\n  fit:\n    command: python fit.py\n", "fit.py": ""}, command: "python|fit.py", entry: "fit.py", kind: "mlproject", why: "MLproject has the entry point fit."},
	"MLflow's with a pipeline":           {files: map[string]string{"MLproject": "entry_points:\n  evaluate:\n    command: python src/evaluate.py\n  train:\n    parameters:\n      rate: {type: float, default: 1e-3}\n    command: python src/train.py --rate {rate}\n", "src/train.py": "", "src/evaluate.py": "", "src/train_cnn.py": ""}, command: "python|src/train.py|--rate|1e-3", entry: "src/train.py", kind: "mlproject", why: "MLproject has the entry point train."},
	"MLflow's with an environment only":  {files: map[string]string{"MLproject": "name: x\nconda_env: conda.yaml\n", "conda.yaml": "", "main.py": ""}, command: "python|main.py", entry: "main.py", kind: "script", why: "main.py is in the folder's root.", needs: "conda.yaml"},
	"MLflow's with a shell":              {files: map[string]string{"MLproject": "entry_points:\n  main:\n    command: \"python prepare.py && python train.py > log.txt\"\n", "prepare.py": "", "train.py": ""}, command: "sh|-c|python prepare.py && python train.py > log.txt", entry: "train.py", kind: "mlproject", why: "MLproject has the entry point main."},
	"a command that was asked for":       {asked: Asked{Command: "python3 src/train.py --data 'a b' --out=x\\ y"}, files: map[string]string{"src/train.py": "", "MLproject": "docker_env: {image: x}\n", "pyproject.toml": "[tool.benchtop]\nentry = \"other.py\"\ncpu = 2\n", "other.py": ""}, command: "python|src/train.py|--data|a b|--out=x y", entry: "src/train.py", kind: "command", why: "This command was asked for."},
	"a command with a variable":          {asked: Asked{Command: "LR=1 python train.py --data $HOME/x"}, files: names("train.py"), command: "sh|-c|LR=1 python train.py --data $HOME/x", entry: "train.py", kind: "command", why: "This command was asked for."},
	"a command of several":               {asked: Asked{Command: "poetry run train.py *.csv; echo done"}, files: names("train.py"), command: "sh|-c|poetry run train.py *.csv; echo done", entry: "train.py", kind: "command", why: "This command was asked for."},
	"a command in an environment":        {asked: Asked{Command: "uv run train.py --n 1"}, files: names("train.py"), command: "python|train.py|--n|1", entry: "train.py", kind: "command", why: "This command was asked for."},
	"a command that is no Python":        {asked: Asked{Command: "./run.sh fast"}, files: names("run.sh", "train.py"), command: "./run.sh|fast", entry: "", kind: "command", why: "This command was asked for."},
	"an entry that was asked for":        {asked: Asked{Entry: `.\src\fit.py`}, files: names("src/fit.py", "train.py", "src/requirements.txt", "requirements.txt"), command: "python|src/fit.py", entry: "src/fit.py", kind: "script", why: "src/fit.py was asked for.", needs: "src/requirements.txt requirements.txt"},
	"many requirements":                  {files: names("train.py", "requirements-dev.txt", "requirements_test.txt", "requirements-gpu.txt", "requirements-train.txt", "requirements.txt", "environment.yml", "setup.cfg", "requirements/base.in"), command: "python|train.py", entry: "train.py", kind: "script", why: "train.py is in the folder's root.", needs: "requirements.txt requirements-train.txt requirements-gpu.txt environment.yml"},
	"requirements for others":            {files: names("train.py", "requirements-dev.txt", "requirements-docs.txt"), command: "python|train.py", entry: "train.py", kind: "script", why: "train.py is in the folder's root."},
}

func TestLayouts(t *testing.T) {
	for name, c := range layouts {
		t.Run(name, func(t *testing.T) {
			p, err := Make(files(c.files), c.asked)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(p.Command, "|"); got != c.command || p.Entry != c.entry || p.Kind != c.kind || p.Why != c.why {
				t.Errorf("got      %q %s (%s) %s\nexpected %q %s (%s) %s", got, p.Entry, p.Kind, p.Why, c.command, c.entry, c.kind, c.why)
			}
			if got := strings.Join(p.Requirements, " "); got != c.needs {
				t.Errorf("requirements %q, expected %q", got, c.needs)
			}
			if b, err := json.Marshal(p); err != nil || strings.Contains(string(b), `"command":null`) {
				t.Errorf("%s, %v", b, err)
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	const (
		howTo = ". Say which with --entry FILE, or how with --command \"…\"; [tool.benchtop] in pyproject.toml can keep it as entry or command"
		ml    = "entry_points:\n  main:\n"
	)
	for name, c := range map[string]struct {
		files map[string]string
		asked Asked
		want  string
	}{
		"nothing":             {names("README.md", "tests/test_x.py"), Asked{}, "there is nothing that could be run: expected MLproject, [tool.benchtop] in pyproject.toml or in the header of a script, train.py, main.py, src/**/train*.py, a single .py file or a notebook, but it holds no Python file and no notebook. Say what is run with --entry FILE or --command \"…\""},
		"deep scripts only":   {names("a/b.py"), Asked{}, "there is nothing that could be run: expected MLproject, [tool.benchtop] in pyproject.toml or in the header of a script, train.py, main.py, src/**/train*.py, a single .py file or a notebook, but it holds a/b.py. Say what is run with --entry FILE or --command \"…\""},
		"several below src":   {map[string]string{"src/a/train.py": guard, "src/b/train.py": guard}, Asked{}, "several could be what is run: src/a/train.py, src/b/train.py" + howTo},
		"several in the root": {names("fit.py", "score.py", "a.ipynb"), Asked{}, "several could be what is run: fit.py, score.py" + howTo},
		"several notebooks":   {names("a.ipynb", "b.ipynb"), Asked{}, "several could be what is run: a.ipynb, b.ipynb" + howTo},
		"very many": {func() map[string]string {
			m := map[string]string{}
			for i := range 13 {
				m[fmt.Sprintf("%02d.ipynb", i)] = ""
			}
			return m
		}(), Asked{}, "several could be what is run: 00.ipynb, 01.ipynb, 02.ipynb, 03.ipynb, 04.ipynb, 05.ipynb, 06.ipynb, 07.ipynb, 08.ipynb, 09.ipynb and 3 more" + howTo},
		"several headers":                  {map[string]string{"a.py": "# /// script\n# [tool.benchtop]\n# ///\n", "b.py": "# /// script\n# [tool.benchtop]\n# ///\n"}, Asked{}, "several could be what is run: a.py, b.py" + howTo},
		"several programs":                 {map[string]string{"pyproject.toml": "[project.scripts]\na = \"x:a\"\nb = \"x:b\"\n", "x/__init__.py": ""}, Asked{}, "several could be what is run: a = x:a, b = x:b" + howTo},
		"a program that is not there":      {map[string]string{"pyproject.toml": "[project.scripts]\na = \"x:a\"\n"}, Asked{}, "pyproject.toml: the program a of [project.scripts] is x:a, whose module is not in the code: it holds no Python file and no notebook"},
		"both asked":                       {names("train.py"), Asked{Command: "x", Entry: "train.py"}, "a command and an entry were asked for: expected one of --command and --entry"},
		"an entry that is not there":       {names("train.py", "a.ipynb"), Asked{Entry: "tran.py"}, "--entry is tran.py, which is not in the code: it holds a.ipynb, train.py"},
		"an entry outside":                 {names("train.py"), Asked{Entry: "../train.py"}, "--entry is ../train.py, which is not in the code: it holds train.py"},
		"an entry of another kind":         {names("run.sh"), Asked{Entry: "run.sh"}, "--entry is run.sh: expected a file that ends in .py or .ipynb; how anything else is run says --command \"…\""},
		"a command that is none":           {names("train.py"), Asked{Command: "python 'train.py"}, "the command \"python 'train.py\" is no command that a shell reads: at character 8, reached EOF without closing quote `'`"},
		"an empty command":                 {names("train.py"), Asked{Command: "  "}, "the command \"  \" is empty: expected a command such as \"python train.py\""},
		"a command for what is not there":  {names("train.py"), Asked{Command: "python fit.py"}, "the command that was asked for runs fit.py, which is not in the code: it holds train.py"},
		"pyproject's entry is not there":   {map[string]string{"pyproject.toml": "\n[tool.benchtop]\nentry = \"fit.py\"\n", "train.py": ""}, Asked{}, "pyproject.toml, line 3: entry is fit.py, which is not in the code: it holds train.py"},
		"pyproject's command is not there": {map[string]string{"pyproject.toml": "\n[tool.benchtop]\ncommand = \"python fit.py\"\n", "train.py": ""}, Asked{}, "pyproject.toml, line 3: command runs fit.py, which is not in the code: it holds train.py"},
		"set twice":                        {map[string]string{"pyproject.toml": "[tool.benchtop]\ngpu = 1\ncpu = 1\n", "train.py": "#!/usr/bin/python\n# /// script\n# [tool.benchtop]\n# entry = \"x.py\"\n# gpu = 2\n# ///\n"}, Asked{}, "train.py, line 5: gpu is set in pyproject.toml, line 2, too: expected it once\ntrain.py, line 4: entry is \"x.py\": expected it in pyproject.toml, because this script is the entry already"},
		"mistakes in both":                 {map[string]string{"pyproject.toml": "[tool.benchtop]\ncpu = \"x\"\n", "train.py": "# /// script\n# [tool.benchtop]\n# gpu = \"x\"\n# memori = 1\n# ///\n"}, Asked{Entry: "train.py"}, "pyproject.toml, line 2: cpu is \"x\": expected cores, such as 2 or 0.5, or \"500m\"\ntrain.py, line 3: gpu is \"x\": expected a number from 0 to 16\ntrain.py, line 4: the key \"memori\" is not known: expected one of command, entry, schedule, time-zone, params, cpu, memory, gpu, time-limit, env, environment"},
		"a header that is no TOML":         {map[string]string{"train.py": "\n\n# /// script\n# [tool.benchtop\n# ///\n"}, Asked{}, "train.py, line 4: this is not TOML: "},
		"two headers":                      {map[string]string{"train.py": "# /// script\n# a = 1\n# ///\n\n# /// script\n# b = 1\n# ///\n"}, Asked{}, "train.py, line 5: a second block `# /// script`, the first is in line 1: expected one"},
		"MLproject and pyproject":          {map[string]string{"MLproject": ml + "    command: python train.py\n", "pyproject.toml": "[tool.benchtop]\nentry = \"train.py\"\n", "train.py": ""}, Asked{}, "pyproject.toml, line 2: entry says what to run, and so does MLproject, line 3: remove one of them, or say what is meant with --entry FILE or --command \"…\""},
		"MLproject with Docker":            {map[string]string{"MLproject": "name: x\ndocker_env:\n  image: y\n" + ml + "    parameters:\n      alpha: float\n      beta: {type: float}\n    command: python train.py {alpha} {beta} {gamma}\n", "train.py": ""}, Asked{}, "MLproject, line 2: docker_env is not known here: remove it, or say how the code is run with --command \"…\"; it runs on the lab's Python\nMLproject, line 9: entry point main: its parameter alpha has no default: give it one, or say how the code is run with --command \"…\"\nMLproject, line 9: entry point main: its parameter beta has no default: give it one, or say how the code is run with --command \"…\"\nMLproject, line 9: entry point main: its command names the parameter gamma, which is not among its parameters"},
		"MLproject without main":           {map[string]string{"MLproject": "entry_points:\n  fit: {command: x}\n  etl: {command: y}\n", "train.py": ""}, Asked{}, "MLproject, line 2: there is no entry point main, but etl, fit: say which is meant with --command \"…\""},
		"MLproject without a command":      {map[string]string{"MLproject": ml + "    parameters: {}\n"}, Asked{}, "MLproject, line 3: entry point main: expected a command such as \"python train.py\""},
		"MLproject with nothing to run":    {map[string]string{"MLproject": "entry_points: []\n"}, Asked{}, "MLproject, line 1: entry_points: expected a mapping such as {main: {command: \"python train.py\"}}"},
		"MLproject with a brace":           {map[string]string{"MLproject": ml + "    command: 'x {a'\n"}, Asked{}, "MLproject, line 3: entry point main: its command has a { without }: expected {NAME} for a parameter, or {{ for a brace"},
		"MLproject with the other brace":   {map[string]string{"MLproject": ml + "    command: 'x a}'\n"}, Asked{}, "MLproject, line 3: entry point main: its command has a } without {: expected {NAME} for a parameter, or }} for a brace"},
		"MLproject that no shell reads":    {map[string]string{"MLproject": ml + "    command: 'x ('\n"}, Asked{}, "MLproject, line 3: entry point main: its command is no command that a shell reads: "},
		"MLproject for what is not there":  {map[string]string{"MLproject": "conda_env: conda.yaml\n" + ml + "    command: python fit.py\n"}, Asked{}, "MLproject, line 4: the command of the entry point main runs fit.py, which is not in the code: it holds no Python file and no notebook\nMLproject names conda.yaml, which is not in the code: push it, too, or remove the line"},
		"MLproject that is no mapping":     {map[string]string{"MLproject": "- a\n"}, Asked{}, "MLproject, line 1: expected a mapping with entry_points"},
		"MLproject that is no YAML":        {map[string]string{"MLproject": "a: [\n"}, Asked{}, "MLproject: this is not YAML: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Make(files(c.files), c.asked)
			got := mlops.MessageOf(err)
			if mlops.CodeOf(err) != mlops.Invalid || got != c.want && !(strings.HasSuffix(c.want, ": ") && strings.HasPrefix(got, c.want) && !strings.Contains(got, "\n")) {
				t.Errorf("%v\nexpected\n%s", err, c.want)
			}
		})
	}
}

// Whoever wants the lab's Python as it is says so in either place.
func TestEnvironment(t *testing.T) {
	const header = "# /// script\n# [tool.benchtop]\n# environment = 'lab'\n# ///\n"
	for want, code := range map[string]map[string]string{
		"lab": {"train.py": header}, "lab ": {"train.py": "", "pyproject.toml": "[tool.benchtop]\nenvironment = 'lab'\n"},
		"lab  ": {"a.ipynb": "{}", "pyproject.toml": "[tool.benchtop]\nenvironment = 'lab'\n"}, "": {"train.py": ""},
	} {
		p, err := Make(files(code), Asked{})
		if err != nil || p.Environment != strings.TrimSpace(want) {
			t.Errorf("%v: the environment is %q (%v), expected %q", code, p.Environment, err, want)
		}
		if b, err := json.Marshal(p); err != nil || strings.Contains(string(b), `"environment":"lab"`) != (want != "") {
			t.Errorf("%v: the plan is %s (%v)", code, b, err)
		}
	}
	_, err := Make(files(map[string]string{"train.py": header, "pyproject.toml": "[tool.benchtop]\nenvironment = 'lab'\n"}), Asked{})
	if want := "train.py, line 3: environment is set in pyproject.toml, line 2, too: expected it once"; err == nil || mlops.MessageOf(err) != want {
		t.Errorf("in both: %v, expected %s", err, want)
	}
}

func TestOptionsOfBoth(t *testing.T) {
	p, err := Make(files(map[string]string{
		"pyproject.toml": "[tool.benchtop]\ncpu = 2\nenv = {A = '1'}\nparams = {C = 1}\ntime-zone = 'UTC'\n",
		"train.py":       "# /// script\n# [tool.benchtop]\n# memory = '1Gi'\n# gpu = 1\n# time-limit = '2h'\n# schedule = ''\n# ///\n",
	}), Asked{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(p.Options)
	if want := `{"schedule":"","time_zone":"UTC","params":{"C":1},"cpu":"2","memory":"1Gi","gpu":1,"time_limit":"2h","environment":{"A":"1"}}`; err != nil || string(b) != want {
		t.Errorf("%s, %v; expected %s", b, err, want)
	}
}

// A script that holds data is no text, and hundreds of large ones are not all read.
func TestLargeFiles(t *testing.T) {
	large := strings.Repeat("# x\n", maxText/4+1)
	_, err := Make(files(map[string]string{"pyproject.toml": large, "train.py": ""}), Asked{})
	if want := "pyproject.toml cannot be read: expected a text of at most 1048576 bytes"; mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != want {
		t.Errorf("%v, expected %s", err, want)
	}
	if p, err := Make(files(map[string]string{"train.py": "# /// script\n# [tool.benchtop]\n# ///\n" + large}), Asked{}); err != nil || p.Why != "train.py is in the folder's root." {
		t.Errorf("%+v, %v", p, err)
	}
	many := map[string]string{"train.py": ""}
	for i := range 80 {
		many[fmt.Sprintf("data/%02d.py", i)] = large[:maxText]
	}
	counted := &counter{FS: files(many)}
	if p, err := Make(counted, Asked{}); err != nil || p.Entry != "train.py" {
		t.Errorf("%+v, %v", p, err)
	}
	if counted.n > maxTexts+maxText {
		t.Errorf("%d bytes were read", counted.n)
	}
}

// counter counts what is read of files.
type counter struct {
	fs.FS
	n int
}

func (c *counter) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	if _, dir := f.(fs.ReadDirFile); dir || err != nil {
		return f, err
	}
	return countedFile{f, c}, nil
}

type countedFile struct {
	fs.File
	c *counter
}

func (f countedFile) Read(b []byte) (int, error) {
	n, err := f.File.Read(b)
	f.c.n += n
	return n, err
}

// Links are files where they lead to one in the code, and nothing where they lead out.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret.py")
	for name, text := range map[string]string{filepath.Join(dir, "fit_v2.txt"): "", secret: "# /// script\n# [tool.benchtop]\n# gpu = 99\n# ///\n"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"train.py": "fit_v2.txt", "main.py": secret, "a.py": "gone.py"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	p, err := Make(root.FS(), Asked{})
	if err != nil || p.Entry != "train.py" {
		t.Errorf("%+v, %v", p, err)
	}
	for _, name := range []string{"main.py", "a.py"} {
		if _, err := Make(root.FS(), Asked{Entry: name}); err == nil || !strings.Contains(err.Error(), "it holds train.py") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestArguments(t *testing.T) {
	for line, want := range map[string][]string{
		"python train.py":             {"python", "train.py"},
		"python3.12 -u train.py":      {"python", "-u", "train.py"},
		"/usr/bin/python3 train.py":   {"python", "train.py"},
		`python train.py "a b" 'c"d'`: {"python", "train.py", "a b", `c"d`},
		"python train.py \\\n  --x 1": {"python", "train.py", "--x", "1"},
		"python train.py # fast":      {"python", "train.py"},
		"uv run --with x train.py":    {"uv", "run", "--with", "x", "train.py"},
		"pipenv run python train.py":  {"python", "train.py"},
		"python train.py ''":          {"python", "train.py", ""},
		"python a.py; python b.py":    {"sh", "-c", "python a.py; python b.py"},
		"python a.py &":               {"sh", "-c", "python a.py &"},
		"! python a.py":               {"sh", "-c", "! python a.py"},
		"python a.py > x":             {"sh", "-c", "python a.py > x"},
		"python a.py *.csv":           {"sh", "-c", "python a.py *.csv"},
		"python a.py ~/x":             {"sh", "-c", "python a.py ~/x"},
		`python a.py "$X"`:            {"sh", "-c", `python a.py "$X"`},
		"python a.py `date`":          {"sh", "-c", "python a.py `date`"},
		"X=1 python a.py":             {"sh", "-c", "X=1 python a.py"},
		"cd src && python a.py":       {"sh", "-c", "cd src && python a.py"},
		"for i in 1 2; do echo; done": {"sh", "-c", "for i in 1 2; do echo; done"},
	} {
		got, problem := arguments(line)
		if problem != "" || !slices.Equal(got, want) {
			t.Errorf("%s: %q %s, expected %q", line, got, problem, want)
		}
	}
}

func FuzzMLproject(f *testing.F) {
	for _, s := range []string{"entry_points:\n  main:\n    parameters: {a: {default: 1}}\n    command: python {a}\n", "entry_points: {a: &a {command: *a}}", "a: &a [*a]\nentry_points: *a", "entry_points:\n  main: {command: \"{{}}\"}\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, wrong := readMLproject("MLproject", []byte(text))
		if p.there && len(wrong) == 0 && (len(p.command) == 0 || p.line < 1) {
			t.Errorf("%q: %+v", text, p)
		}
	})
}

func FuzzArguments(f *testing.F) {
	for _, s := range []string{"python train.py --x 'a b'", "a && b", "uv run x.py", "a{1,2}", "$'a'", "a\\\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		argv, problem := arguments(line)
		if (problem == "") != (len(argv) > 0) {
			t.Errorf("%q: %q %s", line, argv, problem)
		}
		if len(argv) > 0 {
			entryOf(files(nil), argv)
		}
	})
}
