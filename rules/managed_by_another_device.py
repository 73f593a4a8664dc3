"""## What it does

Reports device-managed memory (`devm_*`) of a driver for a USB interface that the whole USB device manages, not the
interface that the driver binds to.

## Why is this bad

Managed memory is freed when the driver of the device that manages it lets go. Nothing but the generic driver ever binds
to the USB device itself: the memory stays when the interface's driver is unbound, and each time that it is bound again
it takes more, until the device is unplugged.

## Known problems

- Other buses whose drivers bind to a part of a device (functions, ports, children) are not known.
- A device that reaches the function as a `struct device *` is not asked for what it is part of.

## Example

```c
static int probe(struct usb_interface *intf, const struct usb_device_id *id)
{
        struct usb_device *udev = interface_to_usbdev(intf);
        char *buf = devm_kzalloc(&udev->dev, 64, GFP_KERNEL);

        return buf ? 0 : -ENOMEM;
}
```

## Use instead

```c
static int probe(struct usb_interface *intf, const struct usb_device_id *id)
{
        char *buf = devm_kzalloc(&intf->dev, 64, GFP_KERNEL);

        return buf ? 0 : -ENOMEM;
}
```

## Fix safety

There is no automatic fix: who else uses the memory until the device is unplugged is for a person to see.

## References

- Documentation/driver-api/driver-model/devres.rst
- include/linux/usb.h, `struct usb_driver`
- drivers/base/dd.c, `device_unbind_cleanup()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.idioms.managed import managing, strangers
from gfplint.findings import Finding, Severity
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Interest, Rule, View, call_step


def check(view: View) -> Iterator[Finding]:
    """Every allocation that the whole device manages, where drivers bind to its parts."""
    for found in strangers(view.code) if view.code is not None else ():
        place = found.allocation.call.place
        name = found.allocation.row.name
        step = call_step(view, place, f"{name}() leaves the free to {found.device}, which is of a struct {found.kind}")
        yield RULE.finding(
            view,
            place,
            f"{name}() for {found.device}: it stays when the driver, which binds to a part of the device, is unbound",
            [step],
        )


def interest(kernel: Kernel) -> Interest:
    """Functions that allocate managed memory."""
    names = tuple(name.encode() for role, name in kernel.roles if role == "parted-names")
    return Interest(calls=managing(kernel), names=names)


RULE = Rule(
    code="GFP407",
    name="managed-by-another-device",
    severity=Severity.WARNING,
    summary="managed memory of a driver that outlives its binding",
    page=__doc__ or "",
    check=check,
    interest=interest,
)
