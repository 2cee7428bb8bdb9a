using System.ComponentModel.DataAnnotations;
using ConcertSaga.Operations.Owners;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.Operations;

/// <summary>Section <c>Operations</c>.</summary>
public sealed class OperationsOptions : ICheckedOptions
{
    /// <summary>
    /// How long requeued and discarded messages and ended operations are kept. Waiting messages are never deleted. Default 30 days.
    /// </summary>
    [Range(typeof(TimeSpan), "01:00:00", "3650.00:00:00")]
    public TimeSpan Retention { get; set; } = TimeSpan.FromDays(30);

    /// <summary>The interval between two rounds of the cleaner. Default 10 minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan CleaningInterval { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>The maximum number of messages that one statement deletes. Default 250.</summary>
    [Range(1, 100_000)]
    public int CleaningBatch { get; set; } = 250;

    /// <summary>
    /// How long a replica may work on an operation without a sign of life. After a kill, another one continues after this time. Default one
    /// minute.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan LeaseDuration { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>The address of the orchestrator. Required for a standalone process, as each of the following; AllInOne sets them.</summary>
    public Uri? OrchestratorAddress { get; set; }

    /// <summary>The address of the waiting room.</summary>
    public Uri? QueueAddress { get; set; }

    /// <summary>The address of Seats.</summary>
    public Uri? SeatsAddress { get; set; }

    /// <summary>The address of Points.</summary>
    public Uri? PointsAddress { get; set; }

    /// <summary>The address of Payments.</summary>
    public Uri? PaymentsAddress { get; set; }

    /// <summary>The address of the relay.</summary>
    public Uri? DataPlatformAddress { get; set; }

    /// <summary>The address of the gateway. Without it, the overview does not list the gateway.</summary>
    public Uri? GatewayAddress { get; set; }

    /// <summary>The time from the start of one check of an invariant to the next. Default one hour.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "30.00:00:00")]
    public TimeSpan CheckInterval { get; set; } = TimeSpan.FromHours(1);

    /// <summary>
    /// The pause of a check after each page of 200 rows. It bounds the load on the owners: ten million rows take about an hour. Default 50
    /// milliseconds.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:01:00")]
    public TimeSpan CheckPause { get; set; } = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// How long after the first look a check looks at a disagreement again. Only one that is still the same is reported, because a step in
    /// progress looks like one. Default five seconds.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan SecondLookAfter { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>The services whose addresses are required.</summary>
    internal IReadOnlyList<(Owner Owner, Uri? Address)> Services =>
    [
        (Owner.Orchestrator, OrchestratorAddress), (Owner.Queue, QueueAddress), (Owner.Seats, SeatsAddress), (Owner.Points, PointsAddress),
        (Owner.Payments, PaymentsAddress), (Owner.DataPlatform, DataPlatformAddress)
    ];

    /// <summary>Fills in the address of a host that runs all services.</summary>
    public void UseAddress(Uri host)
    {
        OrchestratorAddress ??= host;
        QueueAddress ??= host;
        SeatsAddress ??= host;
        PointsAddress ??= host;
        PaymentsAddress ??= host;
        DataPlatformAddress ??= host;
    }

    /// <inheritdoc />
    public void Check()
    {
        foreach (var (service, address) in Services.Select(service => ($"{service.Owner}", service.Address))
            .Append(("Gateway", GatewayAddress)))
        {
            // The text leaves the value out, because it may contain a password.
            if (address is not null and not { IsAbsoluteUri: true, UserInfo: "", Query: "", Fragment: "", Scheme: "http" or "https" })
                throw new StartupException(
                    $"Operations:{service}Address is not the address of a service; allowed: http or https without user, query and "
                        + $"fragment, such "
                    + "as http://seats:8080.");
        }
    }
}
