namespace ConcertSaga.Shared.Hosting;

/// <summary>The process cannot start; the message is the one line its operator reads.</summary>
public sealed class StartupException(string message) : Exception(message);
