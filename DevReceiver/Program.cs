using System.Globalization;
using ConcertSaga.DevReceiver;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
return await ReceiverCommand.RunAsync(args);
