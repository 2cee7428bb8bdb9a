using System.Data.Common;
using ConcertSaga.DataPlatformStub;

namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>The two ways to run the product.</summary>
public enum SystemKind
{
    /// <summary>The one process of <c>AllInOne</c>.</summary>
    Embedded,

    /// <summary>Each process by itself, with RabbitMQ and PostgreSQL.</summary>
    Cluster
}

/// <summary>The whole product, running, as its operator sees it.</summary>
public interface ISystem : IAsyncDisposable
{
    /// <summary>Where the public API is.</summary>
    Uri Address { get; }

    /// <summary>What can be killed.</summary>
    IReadOnlyList<string> Parts { get; }

    /// <summary>Seats nobody has asked for yet.</summary>
    SeatPool Seats { get; }

    /// <summary>Runs with these settings and the defaults otherwise; what has to be started again for that ends orderly first.</summary>
    Task UseAsync(IReadOnlyDictionary<string, string> settings);

    /// <summary>
    /// Changes the faults of a running system that has the setting <c>Faults:Enabled</c>: the keys of section <c>Faults</c> as JSON.
    /// </summary>
    Task SetFaultsAsync(string faults);

    /// <summary>Ends a part as <c>kill -9</c> does.</summary>
    Task KillAsync(string part);

    /// <summary>Asks a process to end and waits for its exit code; a server ends orderly.</summary>
    Task<int> StopAsync(string part);

    /// <summary>Starts a part again and waits until it is ready.</summary>
    Task StartAsync(string part);

    /// <summary>Opens the database of an owner, beside the product.</summary>
    Task<DbConnection> OpenAsync(string owner);

    /// <summary>The outcomes that were announced on the bus since the start; null where nobody outside can listen.</summary>
    Task<IReadOnlySet<(Guid Reservation, string Outcome)>?> AnnouncedAsync();

    /// <summary>What the data platform was told since it started, with the newest in full.</summary>
    Task<ReceivedReport> ToldAsync();

    /// <summary>What it was told of a reservation, in the order in which that came.</summary>
    Task<IReadOnlyList<ReceivedEvent>> ToldOfAsync(Guid reservationId);

    /// <summary>Whether the data platform remembers what it was told when parts of the product are killed.</summary>
    bool PlatformOutlivesKills { get; }
}
