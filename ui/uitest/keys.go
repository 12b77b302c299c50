package uitest

import (
	"context"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Token is that of every key which is made in a world.
const Token = "bt_" + "q5kx2m7dvhwzj3rtyb4cnf6gpasleuio"

type keys struct{ w *World }

func (k keys) Keys(context.Context) ([]mlops.Key, error) {
	k.w.Lock()
	defer k.w.Unlock()
	if err := k.w.Down["registry"]; err != nil {
		return nil, err
	}
	return slices.Clone(k.w.Keys), nil
}

func (k keys) CreateKey(_ context.Context, req mlops.KeyRequest) (mlops.NewKey, error) {
	if err := k.w.down("registry"); err != nil {
		return mlops.NewKey{}, err
	}
	key, err := req.Key(k.w.Clock())
	if err != nil {
		return mlops.NewKey{}, err
	}
	k.w.Change(func() {
		if slices.ContainsFunc(k.w.Keys, func(o mlops.Key) bool { return o.Name == key.Name }) {
			err = mlops.Errorf(mlops.Exists, "a key named %q exists already: revoke it first, or choose another name", key.Name)
			return
		}
		key.ID = int64(len(k.w.Keys) + 1)
		k.w.Keys = append(k.w.Keys, key)
		slices.SortFunc(k.w.Keys, func(a, b mlops.Key) int { return strings.Compare(a.Name, b.Name) })
		k.w.Passwords[key.Name+":"+Token] = key.Principal()
	})
	return mlops.NewKey{Key: key, Token: Token}, err
}

func (k keys) RevokeKey(_ context.Context, name string) error {
	err := error(mlops.Errorf(mlops.NotFound, "there is no key %q", name))
	k.w.Change(func() {
		k.w.Keys = slices.DeleteFunc(k.w.Keys, func(o mlops.Key) bool {
			if o.Name == name {
				err = nil
			}
			return o.Name == name
		})
	})
	return err
}
