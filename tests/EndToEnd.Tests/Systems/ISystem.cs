using System.Data.Common;
using ConcertSaga.DevReceiver;

namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>The ways to run the product.</summary>
public enum SystemKind
{
    /// <summary>The one process of <c>AllInOne</c>.</summary>
    Embedded,

    /// <summary>Separate processes with RabbitMQ and PostgreSQL.</summary>
    Cluster
}

/// <summary>The running product as an operator sees it.</summary>
public interface ISystem : IAsyncDisposable
{
    /// <summary>The address of the public API.</summary>
    Uri Address { get; }

    /// <summary>The parts that can be killed.</summary>
    IReadOnlyList<string> Parts { get; }

    /// <summary>Seats that no test uses yet.</summary>
    SeatPool Seats { get; }

    /// <summary>Applies these settings on top of the defaults. Processes with other settings are stopped and restarted.</summary>
    Task ApplyAsync(IReadOnlyDictionary<string, string> settings);

    /// <summary>
    /// Changes the faults of a running system that has the setting <c>Faults:Enabled</c>: the keys of section <c>Faults</c> as JSON.
    /// </summary>
    Task SetFaultsAsync(string faults);

    /// <summary>Ends a part as <c>kill -9</c> does.</summary>
    Task KillAsync(string part);

    /// <summary>Asks a process to end and waits for its exit code; a server ends orderly.</summary>
    Task<int> StopAsync(string part);

    /// <summary>Restarts a part and waits until it is ready.</summary>
    Task StartAsync(string part);

    /// <summary>Opens the database of an owner without the product.</summary>
    Task<DbConnection> OpenAsync(string owner);

    /// <summary>Reads the outcomes announced on the bus since the start; null if the bus is inside the process.</summary>
    Task<IReadOnlySet<(Guid Reservation, string Outcome)>?> ReadAnnouncedAsync();

    /// <summary>Puts a command into the error queue of its queue, as if its handler had failed.</summary>
    /// <returns>Whether that is possible; not if the bus is inside the process.</returns>
    Task<bool> FailAsync(string queue, string type, Guid messageId, object command);

    /// <summary>Reads what the data platform has received since its start, with the latest events in full.</summary>
    Task<ReceivedReport> ReadReportAsync();

    /// <summary>Reads the events of a reservation that the data platform has received, in order.</summary>
    Task<IReadOnlyList<ReceivedEvent>> ReadEventsAsync(Guid reservationId);

    /// <summary>Whether the data platform keeps its events when parts of the product are killed.</summary>
    bool PlatformOutlivesKills { get; }
}
