"""Tell people about incidents: by chat, e-mail, webhook or Alertmanager; once, in measure, and when it is over."""

from logsense.notify.channels import Channel, open_channel
from logsense.notify.messages import Message
from logsense.notify.notifier import Notifier
from logsense.notify.options import ChannelSpec, NotifyOptions

__all__ = ["Channel", "ChannelSpec", "Message", "Notifier", "NotifyOptions", "open_channel"]
