using System.CommandLine;
using System.CommandLine.Help;
using System.Globalization;
using ConcertSaga.Benchmarks.Gateways;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Queues;
using ConcertSaga.Benchmarks.Relays;
using ConcertSaga.Benchmarks.Reservations;
using ConcertSaga.Benchmarks.Sagas;
using ConcertSaga.Benchmarks.Volume;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var root = new RootCommand("Measures ConcertSaga on this machine, on loopback only, with servers of its own that end with it.")
{
    SagaCommand.Create(), ReservationsCommand.Create(), GatewayCommand.Create(), QueueCommand.Create(), RelayCommand.Create(), LoadCommand.Create(),
    IndexStudy.CreateCommand(), SeatsCommand.Create(), SagaWorker.CreateCommand(), GatewayHosts.CreateCommand()
};
var parsed = root.Parse(args);
if (parsed.Action is not HelpAction && parsed.Errors.Count > 0)
{
    Console.Error.WriteLine($"benchmarks: {parsed.Errors[0].Message.ReplaceLineEndings("").Replace('\t', ' ')} See --help.");
    return 2;
}
try
{
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = TimeSpan.FromMinutes(2) });
}
catch (Exception exception) when (exception is BenchmarkException or Xunit.Sdk.SkipException or OperationCanceledException)
{
    // A server that is not there is told as a skip by the tests' fixtures; here it is an error like any other.
    Console.Error.WriteLine($"benchmarks: {exception.Message.Replace("$XunitDynamicSkip$", "", StringComparison.Ordinal).ReplaceLineEndings(" ")}");
    return 1;
}
