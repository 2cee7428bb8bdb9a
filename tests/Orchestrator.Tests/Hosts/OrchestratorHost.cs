using ConcertSaga.Orchestrator.Data;
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
using Microsoft.Extensions.Time.Testing;

namespace ConcertSaga.Orchestrator.Tests.Hosts;

/// <summary>
/// The real orchestrator on a port of this machine: its endpoints, saga, outbox and sweeper on a SQLite file and an in-memory bus, with
/// scripted services on that bus, and time that stands still unless a test moves it.
/// </summary>
public sealed class OrchestratorHost : IAsyncLifetime
{
    private const string Secret = "secret-of-the-orchestrator-tests";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly DirectoryInfo _folder;
    private readonly bool _ownsFolder;
    private WebApplication _app = null!;

    public OrchestratorHost()
        : this(Directory.CreateTempSubdirectory("concertsaga-orchestrator-tests"), new FakeTimeProvider(Machine.Start)) => _ownsFolder = true;

    private OrchestratorHost(DirectoryInfo folder, FakeTimeProvider clock) => (_folder, Clock) = (folder, clock);

    public FakeTimeProvider Clock { get; }

    public ScriptedServices Services { get; } = new();

    public IBusControl Bus => _app.Services.GetRequiredService<IBusControl>();

    public BusWatch Watch => _app.Services.GetRequiredService<BusWatch>();

    public Uri Address => new(_app.Urls.First());

    /// <summary>Another orchestrator on the same database and the same time, with a bus of its own.</summary>
    public OrchestratorHost Beside() => new(_folder, Clock);

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            ContentRootPath = _folder.FullName,
            EnvironmentName = "Production",
            Args =
            [
                "--urls=http://127.0.0.1:0", $"--Gateway:Secret={Secret}", $"--DataDirectory={_folder.FullName}",
                "--Database:Provider=Sqlite", "--Messaging:Transport=InMemory"
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

    /// <summary>Calls as the gateway would for a user; a new one unless named.</summary>
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

    public Task<Reservation> RowAsync(Guid id) => DatabaseAsync(database => database.Reservations.AsNoTracking().SingleAsync(row => row.CorrelationId == id));

    public Task<List<ReservationTransition>> HistoryAsync(Guid id) =>
        DatabaseAsync(database => database.Transitions.AsNoTracking().Where(one => one.ReservationId == id).OrderBy(one => one.Sequence).ToListAsync());

    /// <summary>Sends a message to the saga and waits until it has been consumed.</summary>
    public async Task HandledAsync<T>(T message)
        where T : class
    {
        var id = Guid.CreateVersion7();
        await Bus.Publish(message, context => context.MessageId = id);
        await Testing.Eventually.TrueAsync(
            () => DatabaseAsync(database => database.Set<InboxState>().AnyAsync(row => row.MessageId == id && row.Delivered != null)), Limit, $"{typeof(T).Name} is consumed");
    }

    /// <summary>Lets time pass in steps until something is so.</summary>
    public async Task PassAsync(Func<Task<bool>> until, string because, TimeSpan? step = null)
    {
        await Testing.Eventually.TrueAsync(async () =>
        {
            if (await until())
                return true;
            Clock.Advance(step ?? TimeSpan.FromMilliseconds(500));
            return false;
        }, Limit, because);
    }

    /// <summary>
    /// Lets time pass until a reservation leaves a state. A test that counts commands lets no more of it pass then: on a slow machine even
    /// a step that is answered at once would be overdue, and sent again.
    /// </summary>
    public Task LeavesAsync(Guid id, string state, TimeSpan? step = null) =>
        PassAsync(async () => (await RowAsync(id)).CurrentState is var now && now != state && now != "Requested", $"reservation leaves {state}", step);

    public Task EndsAsync(Guid id, string state, TimeSpan? step = null) =>
        PassAsync(async () => (await RowAsync(id)).CurrentState == state, $"reservation ends {state}", step);

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
