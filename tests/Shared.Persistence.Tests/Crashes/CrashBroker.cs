using ConcertSaga.Testing.Servers;

namespace ConcertSaga.Shared.Persistence.Tests.Crashes;

/// <summary>A virtual host for all tests of a class, which run one after the other; making one takes longer than a test.</summary>
public sealed class CrashBroker(RabbitMqServer server)
{
    private readonly Lazy<Task<string>> _address = new(() => server.CreateVirtualHostAsync("crashes"));

    public Task<string> AddressAsync() => _address.Value;
}
