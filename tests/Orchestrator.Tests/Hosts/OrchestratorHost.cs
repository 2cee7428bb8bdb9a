using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Orchestrator.Tests.Hosts;

/// <summary>
/// Runs the real orchestrator on a local port: endpoints, saga, outbox and sweeper, with a SQLite file, an in-memory bus and scripted
/// services. Time stands still unless a test moves it.
/// </summary>
public sealed class OrchestratorHost : IAsyncLifetime
{
    private const string Secret = "secret-of-the-orchestrator-tests";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _folder;
    private readonly bool _ownsFolder;
    private readonly string[] _settings;
    private WebApplication _app = null!;

    public OrchestratorHost()
        : this([])
    {
    }

    private OrchestratorHost(string[] settings)
        : this(Directory.CreateTempSubdirectory("concertsaga-orchestrator-tests"), new WrongClock(Machine.Start), settings) =>
        _ownsFolder = true;

    private OrchestratorHost(DirectoryInfo folder, WrongClock clock, string[] settings)
    {
        _folder = folder;
        Clock = clock;
        _settings = settings;
    }

    public WrongClock Clock { get; }

    public ScriptedServices Services { get; } = new();

    public IBusControl Bus => _app.Services.GetRequiredService<IBusControl>();

    public BookingGate Gate => _app.Services.GetRequiredService<BookingGate>();

    public Uri Address => new(_app.Urls.First());

    /// <summary>Starts a host with further settings.</summary>
    public static async Task<OrchestratorHost> StartAsync(params string[] settings)
    {
        var host = new OrchestratorHost(settings);
        await host.InitializeAsync();
        return host;
    }

    public T Get<T>()
        where T : notnull => _app.Services.GetRequiredService<T>();

    /// <summary>A second orchestrator with the same database and clock, and its own bus.</summary>
    public OrchestratorHost CreateReplica(params string[] settings) => new(_folder, Clock, settings);

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            ContentRootPath = _folder.FullName,
            EnvironmentName = "Production",
            Args =
            [
                "--urls=http://127.0.0.1:0", $"--Gateway:Secret={Secret}", $"--DataDirectory={_folder.FullName}",
                "--Database:Provider=Sqlite", "--Messaging:Transport=InMemory",
                // Many tests make crowds of refused calls.
                "--Reservation:MaxRefusals=10000", .. _settings
            ]
        });
        builder.Services.AddSingleton<TimeProvider>(Clock);
        builder.Services.AddSingleton(Services);
        builder.AddServiceDefaults("orchestrator-tests");
        builder.Logging.ClearProviders();
        builder.AddOrchestrator();
        builder.AddMessaging(bus =>
        {
            bus.AddOrchestratorConsumers(builder.Configuration);
            ScriptedServices.AddConsumers(bus);
        });
        _app = builder.Build();
        _app.UseServiceDefaults();
        _app.MapOrchestrator();
        await _app.Services.MigrateAsync(CancellationToken.None);
        await _app.StartAsync();
        await Bus.WaitForHealthStatus(BusHealthStatus.Healthy, Limit);
    }

    /// <summary>A customer whose calls look as if the gateway forwarded them; a new one unless an id is given.</summary>
    public User User(string? id = null) => new(this, id ?? $"user-{Guid.CreateVersion7()}");

    public HttpClient Client(string? userId, bool inside = true)
    {
        var client = new HttpClient { BaseAddress = Address, Timeout = Limit };
        if (inside)
            client.DefaultRequestHeaders.Add(InnerWall.SecretHeader, Secret);
        if (userId is not null)
            client.DefaultRequestHeaders.Add(Caller.UserIdHeader, userId);
        return client;
    }

    public async Task<T> DatabaseAsync<T>(Func<OrchestratorDbContext, Task<T>> use)
    {
        await using var scope = _app.Services.CreateAsyncScope();
        return await use(scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>());
    }

    public Task<Reservation> RowAsync(Guid id) =>
        DatabaseAsync(database => database.Reservations.AsNoTracking().SingleAsync(row => row.CorrelationId == id));

    public Task<List<ReservationTransition>> HistoryAsync(Guid id) =>
        DatabaseAsync(database => database.Transitions.AsNoTracking().Where(row => row.ReservationId == id).OrderBy(row => row.Sequence)
            .ToListAsync());

    /// <summary>Sends a message to the saga and waits until the saga has consumed it.</summary>
    public async Task HandleAsync<T>(T message)
        where T : class
    {
        var id = Guid.CreateVersion7();
        await Bus.Publish(message, context => context.MessageId = id);
        await Testing.Eventually.TrueAsync(
            () => DatabaseAsync(database => database.Set<InboxState>().AnyAsync(row => row.MessageId == id && row.Delivered != null)),
                Limit, $"{typeof(T).Name} is consumed");
    }

    /// <summary>Moves time in steps until a condition holds.</summary>
    public async Task AdvanceUntilAsync(Func<Task<bool>> condition, string because, TimeSpan? step = null)
    {
        await Testing.Eventually.TrueAsync(async () =>
        {
            if (await condition())
                return true;
            Clock.Advance(step ?? TimeSpan.FromMilliseconds(500));
            return false;
        }, Limit, because);
    }

    /// <summary>
    /// Moves time until a reservation leaves a state. A test that counts commands stops the clock from there: on a slow machine even a step
    /// whose reply comes at once would be overdue, and resent.
    /// </summary>
    public Task UntilItLeavesAsync(Guid id, string state, TimeSpan? step = null) =>
        AdvanceUntilAsync(async () => (await RowAsync(id)).CurrentState is var now && now != state
            && now != "Requested", $"the reservation leaves {state}", step);

    public Task UntilItEndsAsync(Guid id, string state, TimeSpan? step = null) =>
        AdvanceUntilAsync(async () => (await RowAsync(id)).CurrentState == state, $"the reservation ends as {state}", step);

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        if (_ownsFolder)
        {
            Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
            _folder.Delete(recursive: true);
        }
    }
}
