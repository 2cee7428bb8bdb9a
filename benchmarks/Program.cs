using System.CommandLine;
using System.CommandLine.Help;
using System.Globalization;
using ConcertSaga.Benchmarks.Chaos;
using ConcertSaga.Benchmarks.Choreographies;
using ConcertSaga.Benchmarks.Gateways;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Operations;
using ConcertSaga.Benchmarks.Queues;
using ConcertSaga.Benchmarks.Relays;
using ConcertSaga.Benchmarks.Reservations;
using ConcertSaga.Benchmarks.Sagas;
using ConcertSaga.Benchmarks.Volume;
using ConcertSaga.Testing.Servers;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var root = new RootCommand("Measures ConcertSaga on this machine, on loopback only. Starts its own servers and stops them at the end.")
{
    SagaCommand.Create(), ChoreographyCommand.Create(), ReservationsCommand.Create(), GatewayCommand.Create(),
    GatewayCommand.CreateStorefront(), QueueCommand.Create(), RelayCommand.Create(), LoadCommand.Create(), OperationsCommand.Create(),
    ChaosCommand.Create(), IndexStudy.CreateCommand(), SeatsCommand.Create(), SagaWorker.CreateCommand(), GatewayHost.CreateCommand()
};
var parsed = root.Parse(args);
if (parsed.Action is not HelpAction && parsed.Errors.Count > 0)
{
    Console.Error.WriteLine($"benchmarks: {parsed.Errors[0].Message.ReplaceLineEndings("").Replace('\t', ' ')} See --help.");
    return 2;
}
try
{
    return await parsed.InvokeAsync(new InvocationConfiguration
    {
        EnableDefaultExceptionHandler = false,
        ProcessTerminationTimeout = TimeSpan.FromMinutes(2)
    });
}
catch (Exception exception) when (exception is BenchmarkException or MissingServerException or OperationCanceledException)
{
    var reason = exception is MissingServerException missing ? missing.Reason : exception.Message;
    Console.Error.WriteLine($"benchmarks: {reason.ReplaceLineEndings(" ")}");
    return 1;
}
