using System.Reflection;
using ConcertSaga.Orchestrator;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Payments.Data;
using ConcertSaga.Points.Data;
using ConcertSaga.Queue.Data;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Simulation.Tests;

/// <summary>The databases of all services, and what their code needs beside them. Many stories use one after the other.</summary>
internal sealed class World : IDisposable
{
    public const int ConcertId = 1;

    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-test-").FullName;
    private readonly DbContextOptions<SqliteOrchestratorDbContext> _orchestrator;
    private readonly DbContextOptions<SqliteSeatsDbContext> _seats;
    private readonly DbContextOptions<SqlitePointsDbContext> _points;
    private readonly DbContextOptions<SqlitePaymentsDbContext> _payments;
    private readonly DbContextOptions<SqliteQueueDbContext> _queue;
    private readonly OutboxBacklog<OrchestratorDbContext> _backlog;

    public World(Protection removed = Protection.None)
    {
        Removed = removed;
        // Fewer attempts than the default, so steps time out often.
        Machine.Options.StepAttempts = 2;
        Machine.Options.MaxRefusals = 10_000;
        Refusals = new RefusalLimit(Options.Create(Machine.Options));
        _backlog = new OutboxBacklog<OrchestratorDbContext>(null!, null!, Machine.Clock);
        Gate = new BookingGate(new MessageBacklog(_backlog), DispatchProxy.Create<IBusControl, HealthyBus>(),
            Options.Create(new MessagingOptions()), Machine.Clock, NullLogger<BookingGate>.Instance);
        var stops = new StatementStops(removed);
        _orchestrator = Create<SqliteOrchestratorDbContext>("orchestrator", stops, options => new(options));
        _seats = Create<SqliteSeatsDbContext>("seats", stops, options => new(options));
        _points = Create<SqlitePointsDbContext>("points", stops, options => new(options));
        _payments = Create<SqlitePaymentsDbContext>("payments", stops, options => new(options));
        _queue = Create<SqliteQueueDbContext>("queue", stops, options => new(options));
        using var seats = Seats();
        seats.Add(new Concert
        {
            ConcertId = ConcertId,
            Title = "Concert",
            Venue = "Hall",
            SaleOpensAt = Machine.Start.AddYears(-1),
            SaleClosesAt = Machine.Start.AddYears(1000)
        });
        seats.SaveChanges();
    }

    /// <summary>What this world lacks.</summary>
    public Protection Removed { get; }

    public Machine Machine { get; } = new();

    public RefusalLimit Refusals { get; }

    public BookingGate Gate { get; }

    /// <summary>The number of stories so far; each has its own schedule and users.</summary>
    public int Stories { get; set; }

    public OrchestratorDbContext Orchestrator() => new SqliteOrchestratorDbContext(_orchestrator);

    public SeatsDbContext Seats() => new SqliteSeatsDbContext(_seats);

    public PointsDbContext Points() => new SqlitePointsDbContext(_points);

    public PaymentsDbContext Payments() => new SqlitePaymentsDbContext(_payments);

    public QueueDbContext Queue() => new SqliteQueueDbContext(_queue);

    public void Dispose()
    {
        Gate.Dispose();
        Refusals.Dispose();
        _backlog.Dispose();
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    private DbContextOptions<T> Create<T>(string name, StatementStops stops, Func<DbContextOptions<T>, T> create)
        where T : DbContext
    {
        // The product's own gate would queue its continuations on other threads.
        var builder = new DbContextOptionsBuilder<T>().UseSqlite($"Data Source={Path.Combine(_folder, name + ".db")}");
        using (var database = create(builder.Options))
            database.Database.EnsureCreated();
        return builder.AddInterceptors(stops).Options;
    }
}
