using ConcertSaga.Testing.Servers;

namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>Shares one system of each kind among all tests, and starts it for the first test that needs it.</summary>
public sealed class SystemFixture : IAsyncDisposable
{
    private readonly Dictionary<SystemKind, ISystem> _running = [];

    /// <summary>Returns a running system with these settings.</summary>
    public async Task<ISystem> GetAsync(SystemKind kind, PostgreSqlServer database, RabbitMqServer broker,
        params (string Key, string Value)[] settings)
    {
        if (!_running.TryGetValue(kind, out var system))
        {
            system = kind == SystemKind.Embedded ? new EmbeddedSystem() : await ClusterSystem.CreateAsync(database, broker);
            _running.Add(kind, system);
        }
        await system.ApplyAsync(settings.ToDictionary(setting => setting.Key, setting => setting.Value));
        return system;
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        foreach (var system in _running.Values)
            await system.DisposeAsync();
    }
}
