namespace ConcertSaga.AppHost;

/// <summary>Shows a server in the dashboard that runs already, as a container or a program of this machine.</summary>
internal sealed class ServerResource(string name) : Resource(name);
