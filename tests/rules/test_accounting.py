"""GFP301 and GFP302 over several files: ways, keepers, and what a finding names."""

from __future__ import annotations

from gfplint.findings import Finding
from tests.rules.harness import lint_all

_SLAB = "#include <linux/slab.h>\n#include <linux/fs.h>\n#include <net/netlink.h>\n"
_STRUCTS = """\
struct coin { struct list_head node; int worth; };
struct purse { struct list_head coins; char *name; struct coin *last; };
struct grip { struct coin *coin; int length; };
"""


def _unaccounted(files: dict[str, str]) -> list[Finding]:
    texts = {path: _SLAB + _STRUCTS + text for path, text in files.items()}
    return lint_all(texts, only=("GFP301", "GFP302"))


def _purse(ioctl: str) -> str:
    """A file whose open() charges a purse and whose ioctl() does what is given."""
    return f"""
int purse_open(struct inode *inode, struct file *file)
{{
	file->private_data = kzalloc(sizeof(struct purse), GFP_KERNEL_ACCOUNT);
	return file->private_data ? 0 : -12;
}}
long purse_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{{
	struct purse *purse = file->private_data;
{ioctl}
}}
const struct file_operations purse_fops = {{ .open = purse_open, .unlocked_ioctl = purse_ioctl }};
"""


def test_what_is_charged_elsewhere_is_named_and_no_step() -> None:
    [found] = _unaccounted({"drivers/a/purse.c": _purse('\tpurse->name = kstrdup("x", GFP_KERNEL);\n\treturn 0;')})
    assert found.message.endswith("is charged: kzalloc(GFP_KERNEL_ACCOUNT) in purse_open(), drivers/a/purse.c")
    assert [step.function for step in found.trace] == ["purse_ioctl", "purse_ioctl"]
    assert not any("ACCOUNT)" in step.message for step in found.trace)


def test_names_that_netlink_gives_are_memory_of_the_object() -> None:
    text = _purse("\tpurse->name = nla_memdup(file->attr, GFP_KERNEL);\n\treturn 0;")
    assert [f.function for f in _unaccounted({"drivers/a/purse.c": text})] == ["purse_ioctl"]


def test_a_struct_on_the_stack_of_another_file_keeps_nothing() -> None:
    fill = """
int coin_into(struct grip *grip)
{
	grip->coin = kzalloc(sizeof(struct coin), GFP_KERNEL);
	return grip->coin ? 0 : -12;
}
int coin_charge(struct purse *purse)
{
	struct coin *coin = kzalloc(sizeof(*coin), GFP_KERNEL_ACCOUNT);

	purse->last = coin;
	return 0;
}
"""
    text = _purse("\tstruct grip grip = { 0 };\n\n\tcoin_charge(purse);\n\treturn coin_into(&grip);")
    assert _unaccounted({"drivers/a/purse.c": text, "drivers/a/fill.c": fill}) == []


def test_the_way_goes_through_the_caller_that_keeps() -> None:
    helper = """
struct coin *coin_new(void)
{
	return kzalloc(sizeof(struct coin), GFP_KERNEL);
}
int coin_charge(struct purse *purse)
{
	purse->last = kzalloc(sizeof(struct coin), GFP_KERNEL_ACCOUNT);
	return 0;
}
"""
    text = """
int coin_peek(struct purse *purse)
{
	struct coin *coin = coin_new();
	int worth = coin ? coin->worth : 0;

	kfree(coin);
	return worth;
}
static int deep_keep(struct purse *purse)
{
	purse->last = coin_new();
	return purse->last ? 0 : -12;
}
int coin_keep(struct purse *purse)
{
	return deep_keep(purse);
}
""" + _purse("\tcoin_charge(purse);\n\tif (cmd)\n\t\treturn coin_peek(purse);\n\treturn coin_keep(purse);")
    [found] = _unaccounted({"drivers/a/purse.c": text, "drivers/a/helper.c": helper})
    assert [step.function for step in found.trace] == ["purse_ioctl", "coin_keep", "deep_keep", "coin_new", "coin_new"]


def test_where_every_caller_frees_nothing_is_kept() -> None:
    text = """
static struct coin *coin_new(void)
{
	return kzalloc(sizeof(struct coin), GFP_KERNEL);
}
static int coin_peek(struct purse *purse)
{
	struct coin *coin = coin_new();
	int worth = coin ? coin->worth : 0;

	kfree(coin);
	return worth;
}
""" + _purse("\tpurse->last = kzalloc(sizeof(struct coin), GFP_KERNEL_ACCOUNT);\n\treturn coin_peek(purse);")
    assert _unaccounted({"drivers/a/purse.c": text}) == []


def test_a_function_that_hands_out_an_object_of_its_own_allocates_too() -> None:
    text = _purse('\tpurse->name = rcu_string_strdup("x", GFP_KERNEL);\n\treturn 0;')
    assert [f.function for f in _unaccounted({"drivers/a/purse.c": text})] == ["purse_ioctl"]


def test_a_struct_of_the_stack_that_is_not_handed_down_says_nothing() -> None:
    text = """
static int coin_into(struct purse *purse)
{
	purse->last = kzalloc(sizeof(struct coin), GFP_KERNEL);
	return purse->last ? 0 : -12;
}
""" + _purse("\tstruct purse spare = { 0 };\n\n\treturn coin_into(purse) + empty(&spare);")
    assert [f.function for f in _unaccounted({"drivers/a/purse.c": text})] == ["coin_into"]


def test_what_each_architecture_allocates_is_kept_by_the_caller_of_them_all() -> None:
    arch = """
struct coin *arch_coin_new(struct purse *purse)
{
	purse->name = kzalloc(8, GFP_KERNEL_ACCOUNT);
	return kzalloc(sizeof(struct coin), GFP_KERNEL);
}
"""
    text = _purse("\tpurse->last = arch_coin_new(purse);\n\treturn 0;")
    files = {"arch/x86/kvm/coin.c": arch, "arch/arm64/kvm/coin.c": arch, "virt/kvm/purse.c": text}
    assert [f.path for f in _unaccounted(files)] == ["arch/arm64/kvm/coin.c", "arch/x86/kvm/coin.c"]


def test_the_rule_of_a_folder_is_that_of_its_operations() -> None:
    """A migration file's own operations are the subsystem's as well (drivers/vfio)."""
    text = """
struct buffer { struct list_head pages; };
static ssize_t save_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	file->private_data = kzalloc(sizeof(struct buffer), GFP_KERNEL);
	return len;
}
static const struct file_operations save_fops = { .write = save_write };
"""
    table = "static const struct vfio_migration_ops ops = { .migration_set_state = set_state };\n"
    [found] = _unaccounted({"drivers/vfio/pci/a/main.c": table + text})
    assert found.message.endswith("the subsystem's rule is to charge what it keeps")
    assert _unaccounted({"drivers/misc/a/main.c": text}) == []


def test_a_row_that_states_the_rule_comes_before_one_that_does_not() -> None:
    text = """
struct kvm { int users; };
long kvm_dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	file->private_data = kzalloc(sizeof(struct kvm), GFP_KERNEL);
	return 0;
}
const struct file_operations kvm_chardev_ops = { .unlocked_ioctl = kvm_dev_ioctl };
"""
    [found] = _unaccounted({"virt/kvm/kvm_main.c": text})
    assert "the subsystem's rule" in found.message


def test_a_long_way_inside_one_folder_is_still_what_was_asked_for() -> None:
    text = """
struct twig { int buds; };
struct branch { struct twig *twig; };
static int e(struct branch *b)
{
	b->twig = kzalloc(sizeof(struct twig), GFP_KERNEL);
	return 0;
}
static int d(struct branch *b) { return e(b); }
static int c(struct branch *b) { return d(b); }
static int bough(struct branch *b) { return c(b); }
static int tree_newlink(struct net *net, struct net_device *dev) { return bough(dev->priv); }
struct rtnl_link_ops tree_ops = { .newlink = tree_newlink };
"""
    assert [f.function for f in _unaccounted({"net/tree/tree.c": text})] == ["e"]


def test_functions_of_one_folder_are_not_far_from_each_other() -> None:
    caller = """
static int d(struct device *dev) { return make_queue(dev); }
static int c(struct device *dev) { return d(dev); }
static int link_new(struct device *dev) { return c(dev); }
static int rtnl_newlink(struct sk_buff *skb, struct nlmsghdr *nlh) { return link_new(skb->dev); }
void init_links(void) { rtnl_register(PF_UNSPEC, RTM_NEWLINK, rtnl_newlink, NULL, 0); }
"""
    callee = """
struct queue { int length; };
struct device { struct queue *queue; };
int make_queue(struct device *dev)
{
	dev->queue = kvzalloc(sizeof(struct queue), GFP_KERNEL);
	return dev->queue ? 0 : -12;
}
"""
    found = _unaccounted({"net/core/rtnetlink.c": caller, "net/core/dev.c": callee})
    assert [f.function for f in found] == ["make_queue"]
